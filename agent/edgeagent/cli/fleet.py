"""Reaching running agents from a command: by the configuration of this machine, or by broker and node."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeagent.cli import options
from edgeagent_sdk.cli import fail
from edgeagent_sdk.errors import EdgeError

if TYPE_CHECKING:
    from edgeagent_sdk.fleet import Fleet
    from edgeagent_sdk.messages import Reply
    from edgeagent_sdk.names import Identity

#: The broker hands out what it has retained of the nodes within moments; so long is waited for it.
_NODES_S = 2.0

Node = Annotated[
    str, typer.Option("--node", metavar="SITE/NODE", help="Which node.", show_default="the configuration's")
]
BrokerUrl = Annotated[
    str, typer.Option("--broker", metavar="URL", help="Its broker.", show_default="the configuration's")
]


@contextmanager
def fleet(config: Path | None, broker: str, node: str) -> Iterator[tuple[Fleet, Identity | None]]:
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
    with made as client:
        yield client, identity


def one(identity: Identity | None) -> Identity:
    """The one node that is meant. Raises EdgeError if that is none in particular."""
    if identity is None:
        raise EdgeError("which node? give --node SITE/NODE, or --config instead of --broker")
    return identity


def online(client: Fleet) -> list[Identity]:
    """The nodes whose agents run, as far as the broker knows."""
    from edgeagent_sdk.messages import Status

    until_s = time.monotonic() + _NODES_S
    while not (nodes := client.nodes()) and time.monotonic() < until_s:
        time.sleep(0.05)
    time.sleep(0.2)  # where one is, the others are on their way
    nodes = client.nodes()
    return sorted(who for who, node in nodes.items() if node.state and node.state.status is Status.ONLINE)


def must_be_online(client: Fleet, identity: Identity) -> None:
    """Raises EdgeError if no agent runs there, as far as the broker knows."""
    from edgeagent_sdk.messages import Status

    until_s = time.monotonic() + _NODES_S
    while not ((node := client.nodes().get(identity)) and node.state) and time.monotonic() < until_s:
        time.sleep(0.05)
    if node is None or not node.state or node.state.status is Status.OFFLINE:
        raise EdgeError(f"no agent runs on {identity}; start one: edgeagent run")


def must_be_taken(reply: Reply) -> None:
    """Fail with its words if an order was refused or came too late."""
    from edgeagent_sdk.messages import Outcome

    if reply.outcome in (Outcome.REFUSED, Outcome.EXPIRED):
        fail(f"{reply.outcome}: {reply.why}")
