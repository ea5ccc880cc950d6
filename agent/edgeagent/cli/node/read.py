"""`edgeagent node read`: everything that a node measures and does, once or again and again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgeagent.cli.node import session
from edgeagent.cli.options import Json
from edgeagent_sdk.cli import show

if TYPE_CHECKING:
    from edgeagent.drivers.node.sensor import NodeSensor
    from edgeagent_sdk.channel import Channel, Value


def read(
    port: session.PortName = "",
    baud: session.Baud = 115_200,
    slave_id: session.SlaveId = 1,
    watch: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.0, help="Read again this often, until Ctrl-C.")
    ] = 0.0,
    json: Json = False,
) -> None:
    """Show what the node measures, and what its outputs do and why."""
    from edgeagent.drivers.node.sensor import NodeSensor
    from edgeagent_sdk.driver import Host

    sensor = NodeSensor(Host(), session.options(port, baud, slave_id))
    try:
        channels = sensor.open()
        while True:
            _show(sensor, list(channels), json)
            if not watch:
                return
            time.sleep(watch)
    finally:
        sensor.close()


def _show(sensor: NodeSensor, channels: list[Channel], json: bool) -> None:
    rows = [_row(channel, value) for channel, value in zip(channels, sensor.read(), strict=True)]
    columns = ["channel", "quantity", "value", "unit"]
    columns += ["fault"] if any(row["fault"] for row in rows) else []
    show(rows, [*columns, "description"], as_json=json)


def _row(channel: Channel, value: Value) -> dict[str, Any]:
    from edgeagent_sdk.channel import Fault

    fault = value.reason if isinstance(value, Fault) else None
    return {
        "channel": channel.name,
        "quantity": channel.quantity.name,
        "value": None if fault else value,
        "unit": channel.quantity.unit,
        "fault": fault,
        "description": channel.description,
    }
