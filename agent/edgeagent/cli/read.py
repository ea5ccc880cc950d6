"""`edgeagent read`: one pass over the sensors, printed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgeagent.cli import options
from edgeagent_sdk.cli import show
from edgeagent_sdk.errors import EdgeError
from edgeagent_sdk.plugins import nearest

if TYPE_CHECKING:
    from edgeagent.config import DeviceConfig
    from edgeagent.onepass import Row
    from edgeagent_sdk.driver import Host


def read(
    device: Annotated[
        list[str] | None, typer.Argument(help="Only these devices.", show_default="all")
    ] = None,
    config: options.Config = None,
    found: Annotated[
        bool, typer.Option("--found", help="What `edgeagent probe` finds, whatever is configured.")
    ] = False,
    root: options.Root = Path("/"),
    timeout: Annotated[float, typer.Option(min=1.0, help="Seconds to wait for a device.")] = 5.0,
    json: options.Json = False,
) -> None:
    """Read every sensor once: those of the configuration, or without one what `edgeagent probe` finds.

    The exit code is 1 if there was not one number to read.
    """
    from edgeagent.onepass import read_once

    host, devices = _found(root) if found or not options.configured(config) else _configured(config)
    rows = [_row(row) for row in read_once(host, _choose(devices, device or []), timeout)]
    faulty = any(row["fault"] for row in rows)
    columns = ["device", "channel", "quantity", "value", "unit"] + (["fault"] if faulty else [])
    show(rows, columns, as_json=json, empty="There is no device to read.")
    if all(row["value"] is None for row in rows):
        raise typer.Exit(1)


def _configured(config: Path | None) -> tuple[Host, list[DeviceConfig]]:
    from edgeagent.config import load_config
    from edgeagent_sdk.driver import Host

    settings = load_config(options.find_config(config))
    return Host(Path(settings.host_root)), settings.devices


def _found(root: Path) -> tuple[Host, list[DeviceConfig]]:
    from edgeagent.survey import survey
    from edgeagent_sdk.driver import Host

    host = Host(root)
    return host, [finding.config() for finding in survey(host).readable]


def _choose(devices: list[DeviceConfig], names: list[str]) -> list[DeviceConfig]:
    known = [device.name for device in devices]
    for name in names:
        if name not in known:
            raise EdgeError(f"no device {name!r}; {nearest(name, known)}")
    return [device for device in devices if not names or device.name in names]


def _row(row: Row) -> dict[str, Any]:
    from edgeagent_sdk.channel import Fault

    channel, value = row.channel, row.value
    fault = value.reason if isinstance(value, Fault) else None
    return {
        "device": row.device,
        "channel": channel and channel.name,
        "quantity": channel and channel.quantity.name,
        "value": None if fault else value,
        "unit": channel and channel.quantity.unit,
        "fault": fault,
        "description": channel.description if channel else "",
    }
