"""`edgeagent cap`: what actuators are at, and leases on them, through the running agents."""

from __future__ import annotations

import getpass
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgeagent.cli import options
from edgeagent_sdk.cli import fail, show
from edgeagent_sdk.errors import EdgeError

if TYPE_CHECKING:
    from edgeagent_sdk.fleet import Fleet
    from edgeagent_sdk.messages import Reply
    from edgeagent_sdk.names import Identity

#: The broker hands out what it has retained of the nodes within moments; so long is waited for it.
_NODES_S = 2.0

cap = typer.Typer(
    help="Lend setpoints to actuators for a time, by MQTT through the agents that run with them: by default "
    "the one of this machine's configuration, with --broker and --node any other.",
    no_args_is_help=True,
)

Device = Annotated[str, typer.Argument(help="The device's name.")]
Actuator = Annotated[str, typer.Argument(help="The actuator's name; `edgeagent cap show` lists them.")]
Node = Annotated[
    str, typer.Option("--node", metavar="SITE/NODE", help="Which node.", show_default="the configuration's")
]
BrokerUrl = Annotated[
    str, typer.Option("--broker", metavar="URL", help="Its broker.", show_default="the configuration's")
]


@cap.command("set")
def set_(
    device: Device,
    actuator: Actuator,
    value: Annotated[float, typer.Argument(help="In the actuator's unit.")],
    lease: Annotated[
        float, typer.Option(metavar="SECONDS", help="How long it holds unless it is renewed by then.")
    ] = 60.0,
    node: Node = "",
    broker: BrokerUrl = "",
    config: options.Config = None,
    json: options.Json = False,
) -> None:
    """Have an actuator held at a value until the lease ends, whoever is still there then.

    The exit code is 1 if it was refused; what was clamped is told on stderr.
    """
    by = f"{getpass.getuser()}@{platform.node()}"[:80]
    with _fleet(config, broker, node) as (fleet, identity):
        reply = fleet.cap(*_one(identity), device, actuator, value, lease, by=by)
    _tell(reply, json)


@cap.command("release")
def release(
    device: Device,
    actuator: Actuator,
    node: Node = "",
    broker: BrokerUrl = "",
    config: options.Config = None,
    json: options.Json = False,
) -> None:
    """End the lease on an actuator: it goes back to what it was found at, or to its own safe state."""
    with _fleet(config, broker, node) as (fleet, identity):
        reply = fleet.release(*_one(identity), device, actuator)
    _tell(reply, json)


@cap.command("show")
def show_(
    device: Annotated[str | None, typer.Argument(help="Only this device.", show_default="all")] = None,
    node: Node = "",
    broker: BrokerUrl = "",
    config: options.Config = None,
    json: options.Json = False,
) -> None:
    """List the actuators: their limits, what they are at, who has decided it, and until when.

    With --broker and without --node: those of all nodes that are online there.
    """
    with _fleet(config, broker, node) as (fleet, identity):
        rows = [
            {"node": str(each), **row}
            for each in ([identity] if identity else _online(fleet))
            for row in _rows(fleet, each, device)
        ]
    faulty = any("fault" in row for row in rows)
    columns = ["node", "device", "actuator", "value", "unit", "minimum", "maximum", "by", "lease", "lease_s"]
    show(rows, columns + ["fault"] * faulty, as_json=json, empty="There is no actuator.")


@contextmanager
def _fleet(config: Path | None, broker: str, node: str) -> Iterator[tuple[Fleet, Identity | None]]:
    """A client, and the node that is meant; None for none in particular."""
    from edgeagent_sdk.fleet import Fleet
    from edgeagent_sdk.names import Identity, check_name
    from edgeagent_sdk.topics import PREFIX

    identity = None
    if node:
        site, _, name = node.partition("/")
        identity = Identity(check_name(site, "--node: site"), check_name(name, "--node: node"))
    if broker:
        made = Fleet(broker, prefix=PREFIX)
    else:
        from edgeagent.config import load_config

        settings = load_config(options.find_config(config))
        identity = identity or Identity(settings.site, settings.node)
        made = Fleet(settings.broker, prefix=settings.prefix)
    with made as fleet:
        yield fleet, identity


def _one(identity: Identity | None) -> Identity:
    if identity is None:
        raise EdgeError("which node? give --node SITE/NODE, or --config instead of --broker")
    return identity


def _online(fleet: Fleet) -> list[Identity]:
    from edgeagent_sdk.messages import Status

    until_s = time.monotonic() + _NODES_S
    while not (nodes := fleet.nodes()) and time.monotonic() < until_s:
        time.sleep(0.05)
    time.sleep(0.2)  # where one is, the others are on their way
    nodes = fleet.nodes()
    return sorted(who for who, node in nodes.items() if node.state and node.state.status is Status.ONLINE)


def _rows(fleet: Fleet, identity: Identity, device: str | None) -> list[dict[str, Any]]:
    reply = fleet.command(*identity, "actuators", {"device": device} if device else {})
    _must_be_taken(reply)
    return list(reply.holds["actuators"])


def _tell(reply: Reply, json: bool) -> None:
    from edgeagent_sdk.messages import Outcome

    _must_be_taken(reply)
    row = {**reply.holds, "outcome": str(reply.outcome), "why": reply.why}
    show([row], ["device", "actuator", "value", "lease_s", "outcome"], as_json=json)
    if reply.why:
        word = "clamped: " if reply.outcome is Outcome.CLAMPED else ""
        print(f"edgeagent: {word}{reply.why}", file=sys.stderr)


def _must_be_taken(reply: Reply) -> None:
    from edgeagent_sdk.messages import Outcome

    if reply.outcome in (Outcome.REFUSED, Outcome.EXPIRED):
        fail(f"{reply.outcome}: {reply.why}")
