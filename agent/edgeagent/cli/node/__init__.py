"""`edgeagent node`: a sensor node on this machine's serial port, without an agent."""

from __future__ import annotations

import typer

from edgeagent.cli.node.calibrate import calibrate
from edgeagent.cli.node.config import config
from edgeagent.cli.node.flash import flash
from edgeagent.cli.node.info import info
from edgeagent.cli.node.read import read
from edgeagent.cli.node.set import set_

node = typer.Typer(
    help="Work on a sensor node at a serial port of this machine, while no agent runs with it.",
    no_args_is_help=True,
)
for _name, _command in (
    ("info", info),
    ("read", read),
    ("set", set_),
    ("config", config),
    ("calibrate", calibrate),
    ("flash", flash),
):
    node.command(_name)(_command)
