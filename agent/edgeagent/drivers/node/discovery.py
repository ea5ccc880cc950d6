"""Nodes on this machine's USB serial adapters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgeagent.drivers.node.node import Node
from edgeagent.modbus.adapters import USB, adapters
from edgeagent_sdk.driver import Found, Host
from edgeagent_sdk.errors import DriverError
from edgeagent_sdk.nodemap import Board

#: A node on a good line answers within a few ms; whoever else sits there is asked only once.
_PROBE_S = 0.15
_BAUD = 115_200


def discover(host: Host) -> Iterator[Found]:
    """Every USB adapter with a node behind it, and every one that this user may not open.

    Other ports are not touched: what sits on them may take a question for something else.
    """
    if host.root != Path("/"):
        return  # a made-up or a container's tree: its devices are not the ones that pyserial lists
    for adapter in adapters():
        found = _look(adapter)
        if found:
            yield found


def _look(adapter: Any) -> Found | None:
    options = {"port": f"{USB}{adapter.serial_number}" if adapter.serial_number else str(adapter.device)}
    what = f"USB serial adapter {adapter.product or adapter.description} at {adapter.device}"
    node = Node.at(str(adapter.device), _BAUD, slave_id=1, timeout_s=_PROBE_S, retries=0)
    try:
        node.master.bus.open()
    except DriverError as error:
        node.close()
        return Found("node", options, f"{what}, perhaps with a node", error.reason, error.remedy)
    try:
        identity = node.identify()
    except DriverError:
        return None  # somebody else's
    finally:
        node.close()
    number = identity["serial_number"]
    return Found(f"node-{number}" if number else "node", options, f"{summary(identity)} on {what}")


def summary(identity: dict[str, int]) -> str:
    """A node in a few words."""
    boards = {board.value: board.name.lower() for board in Board}
    version = ".".join(str(identity[f"version_{part}"]) for part in ("major", "minor", "patch"))
    board = boards.get(identity["board"], f"board {identity['board']}")
    return f"sensor node ({board}, firmware {version}, serial number {identity['serial_number']})"
