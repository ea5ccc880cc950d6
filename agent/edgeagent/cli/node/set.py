"""`edgeagent node set`: one output held at a value, for as long as the lease lasts and this command runs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from edgeagent.cli.node import session
from edgeagent.cli.options import Json
from edgeagent_sdk.cli import show
from edgeagent_sdk.errors import EdgeError
from edgeagent_sdk.plugins import nearest

if TYPE_CHECKING:
    from edgeagent.drivers.node.actuators import NodeActuator
    from edgeagent.drivers.node.node import Node
    from edgeagent.readback import Held

#: The node is told this often, and lets go by itself after so long.
_REFRESH_S, _TTL_S = 1.0, 4.0


def set_(
    output: Annotated[str, typer.Argument(help="relay1, relay2, fan1, fan2 or power_limit.")],
    value: Annotated[float, typer.Argument(help="0 open, 1 closed; duty from 0 to 1; watts.")],
    lease: Annotated[float, typer.Option(metavar="SECONDS", help="How long it is held.")] = 30.0,
    port: session.PortName = "",
    baud: session.Baud = 115_200,
    slave_id: session.SlaveId = 1,
    json: Json = False,
) -> None:
    """Hold an output at a value until the lease ends or Ctrl-C; then it falls to its safe state.

    The node itself lets go 4 s after this command has died, however it dies.
    """
    from edgeagent.setpoints import LEASE_MAX_S

    if not 0 < lease <= LEASE_MAX_S:
        raise EdgeError(f"--lease {lease:g}: must be a time above 0 s, and {LEASE_MAX_S:g} s at most")
    with session.connect(port, baud, slave_id) as node:
        actuator = _output(node, output)
        info = actuator.info
        if not info.minimum <= value <= info.maximum:
            raise EdgeError(f"{output}: {value:g} is outside {info.minimum:g} to {info.maximum:g}")
        _hold(actuator, value, lease, json)


def _output(node: Node, name: str) -> NodeActuator:
    from edgeagent.drivers.node.actuators import actuators

    known = {actuator.info.name: actuator for actuator in actuators(node, _TTL_S)}
    if name not in known:
        raise EdgeError(f"the node has no output {name!r}; {nearest(name, list(known))}")
    return known[name]


def _hold(actuator: NodeActuator, value: float, lease_s: float, json: bool) -> None:
    from edgeagent.grip import let_go, refresh, take

    until_ns = time.monotonic_ns() + int(lease_s * 1e9)
    rows = []

    def tell(held: Held) -> Held:
        left_s = max(0.0, (until_ns - time.monotonic_ns()) / 1e9)
        by = held.by or "its lease"
        rows.append(
            {"output": actuator.info.name, "value": held.value, "by": by, "lease_s": round(left_s, 1)}
        )
        if not json:
            lease = f"; the lease ends in {left_s:.0f} s, or with Ctrl-C" if not held.by else ""
            print(f"{actuator.info.name} is {held.value:g} by {by}{lease}", flush=True)
        return held

    try:
        held = tell(take(value, until_ns)(actuator))
        while (left_s := (until_ns - time.monotonic_ns()) / 1e9) > 0:
            time.sleep(min(_REFRESH_S, left_s))
            if (now := refresh(value, until_ns)(actuator)) != held and time.monotonic_ns() < until_ns:
                held = tell(now)
    except KeyboardInterrupt:
        until_ns = 0  # the way to end it early
    finally:
        held = let_go()(actuator)
    tell(held)
    if json:
        show(rows, [], as_json=True)
