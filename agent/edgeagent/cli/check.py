"""`edgeagent check`: whether a configuration can be run, with the line of each mistake."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import msgspec
import typer

from edgeagent.cli import options
from edgeagent_sdk.cli import show

if TYPE_CHECKING:
    from edgeagent.config import AgentConfig
    from edgeagent_sdk.config import Problem


def check(
    file: Annotated[
        Path | None, typer.Argument(help="The configuration.", show_default="as --config")
    ] = None,
    config: options.Config = None,
    explain: Annotated[bool, typer.Option("--explain", help="Print every key there is, and end.")] = False,
    json: options.Json = False,
) -> None:
    """Check a configuration: every key of it, the broker's answer, and the directory for its state.

    Prints each mistake with its file and line; the exit code is 1 if there is any.
    """
    if explain:
        from edgeagent.config import explain_config

        show(explain_config(), ["key", "type", "default", "meaning"], as_json=json)
        return
    path = file or options.find_config(config)
    problems, waits, summary = _examine(path)
    if json:
        _print_json(problems, waits)
    else:
        for problem in problems:
            print(problem, file=sys.stderr)
        if waits:
            print(f"{path}: {waits}; an agent would run, and wait for it", file=sys.stderr)
        if not problems:
            print(f"{path}: {summary}")
    raise typer.Exit(1 if problems else 0)


def _examine(path: Path) -> tuple[list[Problem], str, str]:
    """The problems, why the broker cannot be reached now, and what is right."""
    from edgeagent.config import load_config
    from edgeagent.neighbours import Neighbours, Planned
    from edgeagent_sdk.config import ConfigError, read
    from edgeagent_sdk.driver import Host, Sensor
    from edgeagent_sdk.errors import BrokerError
    from edgeagent_sdk.mqtt import try_broker

    try:
        settings = load_config(path)
    except ConfigError as error:
        return error.problems, "", ""
    document, waits = read(path), ""
    planned = Planned(["agent", *(device.name for device in settings.devices)])
    for i, device in enumerate(settings.devices):
        host = Host(Path(settings.host_root), readings=Neighbours(planned, device.name))
        sensor = cast(type[Sensor], device.sensor)
        for key, reason in sensor.examine(host, device.options):
            keys = (key,) if isinstance(key, str) else key
            document.complain(("device", i, *keys), f"{device.name}: {reason}")
    if reason := _unwritable(Path(settings.state_dir)):
        document.complain(("state_dir",), reason)
    try:
        try_broker(settings.broker, f"edge-check-{settings.site}-{settings.node}-{os.getpid()}")
    except BrokerError as error:
        document.complain(*_at_its_key(str(error)))
    except ConnectionError as error:
        waits = str(error)
    return document.problems, waits, _summary(settings, answered=not waits)


def _at_its_key(reason: str) -> tuple[tuple[str, str], str]:
    """What is wrong with the broker, at the key that the reason names, or else at its URL."""
    from edgeagent_sdk.mqtt import Broker

    name, _, rest = reason.removeprefix("broker.").partition(" ")
    if reason.startswith("broker.") and name in Broker.__struct_fields__:
        return ("broker", name), rest
    return ("broker", "url"), reason


def _unwritable(state_dir: Path) -> str:
    """Why the agent could not keep its state there; empty if it could."""
    place = state_dir.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        return f"{place} is not a directory; set another state_dir"
    if not os.access(place, os.W_OK | os.X_OK):
        return (
            f"{place} cannot be written by this user; run this as the agent's user, or set another state_dir"
        )
    return ""


def _summary(settings: AgentConfig, *, answered: bool) -> str:
    count = len(settings.devices)
    devices = f"{count} device{'s' if count != 1 else ''}"
    host, port = settings.broker.address()
    broker = f"; the broker {host}:{port} answers" if answered else ""
    return f"good: {settings.site}/{settings.node} with {devices}{broker}"


def _print_json(problems: list[Problem], waits: str) -> None:
    rows: list[dict[str, Any]] = [problem._asdict() | {"severity": "error"} for problem in problems]
    if waits:
        rows.append({"file": "", "line": 0, "key": "broker.url", "message": waits, "severity": "warning"})
    print(msgspec.json.format(msgspec.json.encode(rows), indent=2).decode())
