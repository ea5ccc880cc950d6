"""`edgeagent probe`: what this machine can measure."""

from __future__ import annotations

from pathlib import Path

import typer

from edgeagent.cli import options
from edgeagent_sdk.cli import show


def probe(root: options.Root = Path("/"), json: options.Json = False) -> None:
    """Show what this machine can measure, and what is missing for the rest."""
    from edgeagent.survey import survey
    from edgeagent_sdk.driver import Host

    result = survey(Host(root))
    rows = [
        {
            "device": finding.device,
            "driver": finding.driver,
            "what": finding.found.summary,
            "missing": finding.found.missing,
            "remedy": finding.found.remedy,
            "options": finding.found.options,
        }
        for finding in result.findings
    ]
    rows += [
        {
            "device": "",
            "driver": silent.driver,
            "what": "",
            "missing": silent.reason,
            "remedy": "",
            "options": {},
        }
        for silent in result.silent
    ]
    troubled = any(row["missing"] for row in rows)
    columns = ["device", "driver", "what"] + (["missing", "remedy"] if troubled else [])
    show(rows, columns, as_json=json, empty=f"No driver found a device under {root}.")
    if json or not result.findings:
        return
    if result.readable:
        typer.echo(f"{len(result.readable)} can be read now. `edgeagent read` shows their values.")
    if result.absent:
        typer.echo(
            f"Nothing found by {', '.join(result.absent)}: `edgeagent driver list` tells what they read; "
            "what answers at an address only is named in the configuration."
        )
