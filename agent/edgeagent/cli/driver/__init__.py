"""`edgeagent driver`: the drivers that are installed, and the beginning of one's own."""

from __future__ import annotations

import typer

from edgeagent.cli.driver.list import list_
from edgeagent.cli.driver.new import new

driver = typer.Typer(
    help="Show the drivers that are installed, or begin one of your own.", no_args_is_help=True
)
driver.command("list")(list_)
driver.command("new")(new)
