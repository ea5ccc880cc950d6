"""What the commands for a node share: which port, and the node there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from edgeagent_sdk.errors import EdgeError

if TYPE_CHECKING:
    from edgeagent.drivers.node.node import Node
    from edgeagent.drivers.node.sensor import NodeOptions

PortName = Annotated[
    str,
    typer.Option(
        "--port",
        "-p",
        envvar="EDGEAGENT_NODE_PORT",
        help="The serial port: a path, or usb:<the adapter's serial number>.",
        show_default="that of the only node here",
    ),
]

Baud = Annotated[int, typer.Option(min=1200, max=4_000_000, help="Bits per second.")]

SlaveId = Annotated[int, typer.Option(min=1, max=247, help="The node's Modbus address.")]


def options(port: str, baud: int, slave_id: int) -> NodeOptions:
    """The driver's options for that node; without a port, for the only one that there is.

    Raises:
        EdgeError: none or several were found.
    """
    from edgeagent.drivers.node.sensor import NodeOptions

    return NodeOptions(port=port or _only_port(), baud=baud, slave_id=slave_id)


@contextmanager
def connect(port: str, baud: int, slave_id: int) -> Iterator[Node]:
    """The node, identified; its port is closed at the end. Raises EdgeError."""
    from edgeagent.drivers.node.node import Node
    from edgeagent.modbus.adapters import find_port

    chosen = options(port, baud, slave_id)
    node = Node.at(find_port(chosen.port), baud, slave_id, chosen.timeout_ms / 1e3)
    try:
        node.identify()
        yield node
    finally:
        node.close()


def _only_port() -> str:
    from edgeagent.drivers.node.sensor import NodeSensor
    from edgeagent_sdk.driver import Host

    found = list(NodeSensor.discover(Host()))
    ports = [str(f.options["port"]) for f in found if not f.missing]
    if len(ports) == 1:
        return ports[0]
    if ports:
        raise EdgeError(f"several nodes are here; name one by --port: {', '.join(ports)}")
    for f in found:
        raise EdgeError(f"no node that can be read: {f.missing}; {f.remedy}")
    raise EdgeError("no USB serial adapter with a node was found; plug one in, or name its port by --port")
