"""`edgeagent outbox`: what waits on this machine to be sent."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from edgeagent.cli import options
from edgeagent_sdk.cli import show


def outbox(
    config: options.Config = None,
    state_dir: Annotated[
        Path | None,
        typer.Option(help="The agent's state directory.", show_default="that of the configuration"),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write the readings to a file (- for the terminal), as line protocol."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    json: options.Json = False,
) -> None:
    """Show what waits on this machine to be sent: how many readings, how many bytes, since when.

    With --export they are written out, oldest first; the outbox keeps them, and the agent may run meanwhile.
    """
    from edgeagent.config import load_config
    from edgeagent.outbox_file import stats

    directory = state_dir or Path(load_config(options.find_config(config)).state_dir)
    path = directory / "outbox.db"
    if export:
        _export(path, export, force)
        return
    row = {"file": str(path), **stats(path)._asdict()}
    columns = ["readings", "batches", "bytes", "oldest_age_s", "unsealed", "held", "next_seq", "file"]
    show([row], columns, as_json=json)


def _export(path: Path, output: Path, force: bool) -> None:
    from edgeagent.files import whole_file
    from edgeagent.outbox_file import export

    if str(output) == "-":
        sys.stdout.writelines(export(path))
        return
    count = 0
    with whole_file(output, replace=force) as file:
        for lines in export(path):
            file.write(lines)
            count += lines.count("\n")
    print(f"{output}: {count} readings", file=sys.stderr)
