"""`edgeagent cap`: what actuators are at, and leases on them, through the running agents."""

from __future__ import annotations

import getpass
import platform
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgeagent.cli import options
from edgeagent.cli.fleet import BrokerUrl, Node, fleet, must_be_taken, one, online
from edgeagent_sdk.cli import show

if TYPE_CHECKING:
    from edgeagent_sdk.fleet import Fleet
    from edgeagent_sdk.messages import Reply
    from edgeagent_sdk.names import Identity

cap = typer.Typer(
    help="Lend setpoints to actuators for a time, by MQTT through the agents that run with them: by default "
    "the one of this machine's configuration, with --broker and --node any other.",
    no_args_is_help=True,
)

Device = Annotated[str, typer.Argument(help="The device's name.")]
Actuator = Annotated[str, typer.Argument(help="The actuator's name; `edgeagent cap show` lists them.")]


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
    with fleet(config, broker, node) as (client, identity):
        reply = client.cap(*one(identity), device, actuator, value, lease, by=by)
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
    with fleet(config, broker, node) as (client, identity):
        reply = client.release(*one(identity), device, actuator)
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
    with fleet(config, broker, node) as (client, identity):
        rows = [
            {"node": str(each), **row}
            for each in ([identity] if identity else online(client))
            for row in _rows(client, each, device)
        ]
    faulty = any("fault" in row for row in rows)
    columns = ["node", "device", "actuator", "value", "unit", "minimum", "maximum", "by", "lease", "lease_s"]
    show(rows, columns + ["fault"] * faulty, as_json=json, empty="There is no actuator.")


def _rows(fleet: Fleet, identity: Identity, device: str | None) -> list[dict[str, Any]]:
    reply = fleet.command(*identity, "actuators", {"device": device} if device else {})
    must_be_taken(reply)
    return list(reply.holds["actuators"])


def _tell(reply: Reply, json: bool) -> None:
    from edgeagent_sdk.messages import Outcome

    must_be_taken(reply)
    row = {**reply.holds, "outcome": str(reply.outcome), "why": reply.why}
    show([row], ["device", "actuator", "value", "lease_s", "outcome"], as_json=json)
    if reply.why:
        word = "clamped: " if reply.outcome is Outcome.CLAMPED else ""
        print(f"edgeagent: {word}{reply.why}", file=sys.stderr)
