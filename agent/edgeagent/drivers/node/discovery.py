"""Nodes on this machine's USB serial adapters; ports that are named by their adapter's serial number."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgeagent.drivers.node.master import Master
from edgeagent.drivers.node.node import Node
from edgeagent.drivers.node.port import Port
from edgeagent_sdk.driver import Found, Host
from edgeagent_sdk.errors import DriverError
from edgeagent_sdk.nodemap import Board

_USB = "usb:"

#: A node on a good line answers within a few ms; whoever else sits there is asked only once.
_PROBE_S = 0.15
_BAUD = 115_200


def adapters() -> list[Any]:
    """The USB serial adapters, as `serial.tools.list_ports` describes them, in the order of their paths."""
    from serial.tools.list_ports import comports

    return sorted((port for port in comports() if port.vid is not None), key=lambda port: str(port.device))


def find_port(port: str) -> str:
    """The path of a port, which may be given as ``usb:<serial number of the adapter>``.

    Raises:
        DriverError: no such adapter is plugged in.
    """
    if not port.startswith(_USB):
        return port
    number = port.removeprefix(_USB)
    known = {adapter.serial_number: str(adapter.device) for adapter in adapters()}
    if number not in known:
        others = ", ".join(n for n in known if n) or "none"
        raise DriverError(f"{port}: is not there", f"plug the adapter in (here are: {others})", retry_s=0.5)
    return known[number]


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
    options = {"port": f"{_USB}{adapter.serial_number}" if adapter.serial_number else str(adapter.device)}
    what = f"USB serial adapter {adapter.product or adapter.description} at {adapter.device}"
    try:
        port = Port(str(adapter.device), _BAUD)
    except DriverError as error:
        return Found("node", options, f"{what}, perhaps with a node", error.reason, error.remedy)
    try:
        identity = Node(Master(port, slave_id=1, timeout_s=_PROBE_S, retries=0)).identify()
    except DriverError:
        return None  # somebody else's
    finally:
        port.close()
    number = identity["serial_number"]
    return Found(f"node-{number}" if number else "node", options, f"{summary(identity)} on {what}")


def summary(identity: dict[str, int]) -> str:
    """A node in a few words."""
    boards = {board.value: board.name.lower() for board in Board}
    version = ".".join(str(identity[f"version_{part}"]) for part in ("major", "minor", "patch"))
    board = boards.get(identity["board"], f"board {identity['board']}")
    return f"sensor node ({board}, firmware {version}, serial number {identity['serial_number']})"
