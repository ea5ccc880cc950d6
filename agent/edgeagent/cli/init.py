"""`edgeagent init`: a first configuration for this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from edgeagent.cli import options


def init(
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write.")] = Path("agent.toml"),
    site: Annotated[str, typer.Option(help="Which site this machine belongs to.")] = "lab",
    node: Annotated[str, typer.Option(help="The machine's name.", show_default="its host name")] = "",
    broker: Annotated[str, typer.Option(envvar="BROKER", help="URL of the MQTT broker.")] = (
        "mqtt://127.0.0.1:1883"
    ),
    state_dir: Annotated[
        Path | None,
        typer.Option(
            help="Directory for the agent's state.",
            show_default="/var/lib/edgeagent for root, else ~/.local/state/edgeagent",
        ),
    ] = None,
    root: options.Root = Path("/"),
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write a commented agent.toml from what this machine can measure."""
    from edgeagent.files import whole_file
    from edgeagent.starter import names, starter
    from edgeagent.survey import survey
    from edgeagent_sdk.driver import Host
    from edgeagent_sdk.mqtt import Broker
    from edgeagent_sdk.names import check_name

    Broker(url=broker).address()
    values = {"site": check_name(site, "site"), "broker.url": broker}
    if node:
        values["node"] = check_name(node, "node")
    values["state_dir"] = str(state_dir.absolute() if state_dir else _state_dir())
    if root != Path("/"):
        values["host_root"] = str(root.absolute())
    result = survey(Host(root))
    with whole_file(output, replace=force) as file:
        file.write(starter(result, values))
    locked = [finding for finding in result.findings if finding.found.missing]
    typer.echo(f"{output}: {names(result.readable) or 'no device that can be read now'}")
    if locked:
        typer.echo(f"As comments, to be enabled by hand: {names(locked)}. The file says why, and what to do.")
    typer.echo(f"Next: edgeagent check {output}, then edgeagent run -c {output}")


def _state_dir() -> Path:
    if os.geteuid() == 0:
        return Path("/var/lib/edgeagent")
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state"
    return Path(base) / "edgeagent"
