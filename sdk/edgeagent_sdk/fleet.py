"""Watch a fleet and give its nodes commands::

with Fleet("mqtt://127.0.0.1") as fleet:
    for node in fleet.nodes().values():
        print(node.identity, node.state.status if node.state else "unknown")
    reply = fleet.cap("lab", "n1", "rack", "relay1", value=0, lease_s=60)
"""

from __future__ import annotations

import math
import queue
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import paho.mqtt.client as paho

from edgeagent_sdk.batch import Header, decode_batch
from edgeagent_sdk.channel import Reading
from edgeagent_sdk.errors import BrokerError, CommandTimeout, EdgeError
from edgeagent_sdk.messages import Command, Describe, Event, Reply, State, decode
from edgeagent_sdk.mqtt import Broker, Session
from edgeagent_sdk.names import Identity, check_name
from edgeagent_sdk.publisher import settings
from edgeagent_sdk.topics import PREFIX, Topic, everyone, parse_topic, topic


@dataclass
class Node:
    """What the fleet client knows of one node. `latest` maps (quantity, device, channel) to a reading."""

    identity: Identity
    state: State | None = None
    describe: Describe | None = None
    header: Header | None = None
    latest: dict[tuple[str, str, str], Reading] = field(default_factory=dict)


Update = tuple[Node, State | Describe | Event | Reply | Header]


class Fleet:
    """A view of all nodes of a broker, kept up to date from their messages.

    Args:
        broker: URL or full settings.
        data: also follow the readings, not only state, describe, events and replies.

    Raises:
        BrokerError: the broker cannot be reached within 10 s.
    """

    def __init__(self, broker: str | Broker, *, data: bool = False, prefix: str = PREFIX) -> None:
        self._prefix = prefix
        self._kinds = ("describe", "state", "event", "reply") + (("data",) if data else ())
        self._nodes: dict[Identity, Node] = {}
        self._lock = threading.Lock()
        self._watchers: list[queue.SimpleQueue[Update | None]] = []
        self._replies: dict[str, Future[Reply]] = {}
        self.malformed = 0
        self._session = Session(
            settings(broker),
            f"edge-fleet-{uuid.uuid4().hex[:12]}",
            on_connect=self._subscribe,
            on_message=self._receive,
        )
        self._session.connect_or_raise()

    @property
    def trouble(self) -> str:
        """Why the broker cannot be reached now; empty if it can."""
        return "" if self._session.connected.is_set() else self._session.trouble or "not connected"

    def nodes(self) -> dict[Identity, Node]:
        """All nodes heard of so far; retained messages arrive within moments of connecting."""
        with self._lock:
            return dict(self._nodes)

    def watch(self, timeout_s: float | None = None) -> Iterator[Update]:
        """Pairs of node and message from now on. Ends on `close`, or after `timeout_s` of silence."""
        updates: queue.SimpleQueue[Update | None] = queue.SimpleQueue()
        with self._lock:
            self._watchers.append(updates)
        try:
            while (update := updates.get(timeout=timeout_s)) is not None:
                yield update
        except queue.Empty:
            return
        finally:
            with self._lock:
                self._watchers.remove(updates)

    def command(
        self, site: str, node: str, name: str, body: dict[str, Any] | None = None, *, ttl_s: float = 5.0
    ) -> Reply:
        """Send a command and wait for the node's reply.

        Raises:
            CommandTimeout: no reply within `ttl_s`; the node will not carry the command out later.
            BrokerError: the command did not leave this machine.
        """
        future = self.send(site, node, name, body, ttl_s=ttl_s)
        try:
            return future.result(ttl_s)
        except TimeoutError:
            future.cancel()
            raise CommandTimeout(
                f"{name} to {site}/{node}: no reply within {ttl_s:g} s; is the node online?"
            ) from None

    def send(
        self,
        site: str,
        node: str,
        name: str,
        body: dict[str, Any] | None = None,
        *,
        ttl_s: float = 5.0,
        issued_ns: int | None = None,
        qos: int = 1,
    ) -> Future[Reply]:
        """Send a command and go on. The reply, when it comes, is the future's result.

        No reply may ever come: cancel the future that is waited for no longer, or it is kept for ever.
        Callbacks of the future run on the network's thread, and must be short.

        Args:
            issued_ns: since when `ttl_s` counts, ns UTC; now, unless what the command stands on is older.
            qos: 0 for thousands at once, by who repeats what is not answered: it spares acknowledging each.

        Raises:
            BrokerError: the command did not leave this machine.
        """
        identity = Identity(check_name(site, "site"), check_name(node, "node"))
        order = Command.new(body or {}, ttl_s)
        order.issued_ns = issued_ns or order.issued_ns
        future: Future[Reply] = Future()
        self._replies[order.id] = future
        future.add_done_callback(lambda _: self._replies.pop(order.id, None))
        where = topic(identity, "cmd", name, prefix=self._prefix)
        if self._session.publish(where, order.encode(), qos=qos) is None:
            future.cancel()
            raise BrokerError(f"{name} to {identity}: not sent; {self._session.trouble or 'queue full'}")
        return future

    def cap(
        self,
        site: str,
        node: str,
        device: str,
        actuator: str,
        value: float,
        lease_s: float,
        *,
        by: str = "",
        ttl_s: float = 5.0,
    ) -> Reply:
        """Have an actuator held at `value`, in its unit, for `lease_s` from now; renew it in time.

        The reply's `outcome` tells whether it was taken as it is, clamped or refused, and `why`; its `holds`
        what the device is at now. Raises as `command` does, and EdgeError for what is no number.

        Args:
            by: who asks, for people.
        """
        if not (math.isfinite(value) and math.isfinite(lease_s)):
            raise EdgeError(f"{value:g} for {lease_s:g} s: give a finite value, and a time above 0")
        body = {"device": device, "actuator": actuator, "value": value, "lease_s": lease_s, "by": by}
        return self.command(site, node, "cap", body, ttl_s=ttl_s)

    def release(self, site: str, node: str, device: str, actuator: str, *, ttl_s: float = 5.0) -> Reply:
        """End the lease on an actuator, which goes back to what it was found at. Raises as `command` does."""
        return self.command(site, node, "release", {"device": device, "actuator": actuator}, ttl_s=ttl_s)

    def close(self) -> None:
        """Disconnect; every `watch` ends."""
        self._session.stop()
        with self._lock:
            for updates in self._watchers:
                updates.put(None)

    def __enter__(self) -> Fleet:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _subscribe(self, session: Session) -> None:
        for kind in self._kinds:
            session.subscribe(everyone(kind, prefix=self._prefix))

    def _receive(self, message: paho.MQTTMessage) -> None:
        if not message.payload:  # a retained message was cleared
            return
        try:
            where = parse_topic(message.topic, prefix=self._prefix)
            with self._lock:
                node = self._nodes.setdefault(where.identity, Node(where.identity))
                update = _TAKE[where.kind](node, where, bytes(message.payload))
                for updates in self._watchers:
                    updates.put((node, update))
        except EdgeError:
            self.malformed += 1
            return
        if isinstance(update, Reply):
            self._answer(update)

    def _answer(self, reply: Reply) -> None:
        waiting = self._replies.get(reply.id)
        if waiting and waiting.set_running_or_notify_cancel():
            waiting.set_result(reply)


def _take_state(node: Node, where: Topic, payload: bytes) -> State:
    node.state = decode(payload, State)
    return node.state


def _take_describe(node: Node, where: Topic, payload: bytes) -> Describe:
    node.describe = decode(payload, Describe)
    return node.describe


def _take_data(node: Node, where: Topic, payload: bytes) -> Header:
    node.header, readings = decode_batch(payload)
    node.latest.update(((r.quantity, r.device, r.channel), r) for r in readings)
    return node.header


_TAKE: dict[str, Callable[[Node, Topic, bytes], State | Describe | Event | Reply | Header]] = {
    "state": _take_state,
    "describe": _take_describe,
    "event": lambda node, where, payload: decode(payload, Event),
    "reply": lambda node, where, payload: decode(payload, Reply),
    "data": _take_data,
}
