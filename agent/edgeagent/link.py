"""The link: this node's place at the broker. Topics in, topics out; no data rests here."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial

import paho.mqtt.client as paho

from edgeagent.claim import Claim
from edgeagent.clock import Clock
from edgeagent.report import Report
from edgeagent.waiting import Waiting
from edgeagent_sdk.errors import WireError
from edgeagent_sdk.messages import Ack, Describe, Event, Reply, Severity, State, Status, decode
from edgeagent_sdk.mqtt import Broker, Session
from edgeagent_sdk.names import Identity
from edgeagent_sdk.topics import parse_topic, topic

#: Events and replies that wait for the broker; the oldest go first when there are more.
_EVENTS_MAX, _REPLIES_MAX = 200, 5_000


class Link:
    """One node's connection to the broker.

    Every reply leaves, as long as no more than a few thousand wait for a broker that is slow or away.

    Args:
        in_flight: QoS 1 messages that may be on their way; the MQTT client's own queue is bounded too.
        on_ack: an aggregator's answer.
        on_published: the broker holds the message of that id.
        on_command: called with the command's name and payload.
        on_road: called with True when batches may go out, with False when not.

    Raises:
        BrokerError: the settings cannot be used.
    """

    def __init__(
        self,
        broker: Broker,
        identity: Identity,
        instance: str,
        *,
        prefix: str,
        in_flight: int,
        clock: Clock,
        describe: Callable[[], Describe],
        on_ack: Callable[[Ack], None],
        on_published: Callable[[int], None],
        on_command: Callable[[str, bytes], None],
        on_road: Callable[[bool], None],
        report: Report,
    ) -> None:
        self.reconnects = 0
        self._identity, self._instance, self._prefix = identity, instance, prefix
        self._clock, self._describe, self._report = clock, describe, report
        self._on_ack, self._on_command, self._on_road = on_ack, on_command, on_road
        self._since_ns = clock.now_ns()
        self._events = Waiting(partial(self._if_connected, "event"), _EVENTS_MAX)
        self._replies = Waiting(partial(self._if_connected, "reply"), _REPLIES_MAX)
        self._losing = False
        self._room, self._ended = threading.Event(), False
        self._on_published = on_published
        self._trouble = ""
        self._claim = Claim(self._state(Status.ONLINE), self._ask_holder, self._claimed, report)
        self._session = Session(
            broker,
            f"edge-agent-{identity.site}-{identity.node}-{instance[:8]}",
            persistent=True,
            will=(self._topic("state"), self._state(Status.OFFLINE).encode()),
            in_flight=in_flight,
            on_connect=self._connected,
            on_message=self._receive,
            on_published=self._published,
            on_trouble=self._lost,
        )

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self._session.start()
        threading.Thread(target=self._flush_when_there_is_room, name="link", daemon=True).start()

    def stop(self) -> None:
        """Say goodbye and disconnect: the broker does not publish the will."""
        ours = self.ready
        self._ended = True
        self._room.set()
        self._claim.cancel()
        if ours:
            self._publish("state", self._state(Status.OFFLINE).encode(), retain=True)
            time.sleep(0.05)  # the MQTT client writes from its own thread
        self._session.stop()

    @property
    def ready(self) -> bool:
        """Whether batches may go out: connected, and the name is ours."""
        return self._session.connected.is_set() and self._claim.held

    @property
    def unanswered(self) -> int:
        """How many replies are lost, because too many waited."""
        return self._replies.lost

    def send_batch(self, payload: bytes) -> int | None:
        """Hand a batch to the MQTT client; its message id, or None if it takes no more."""
        return self._publish("data", payload) if self.ready else None

    def send_event(self, event: Event) -> None:
        """Publish an event now, or as soon as there is a connection."""
        self._events.put(event.encode())

    def send_reply(self, reply: Reply) -> None:
        """Answer a command now, or as soon as the broker takes it."""
        lost = self._replies.lost
        self._replies.put(reply.encode())
        if self._replies.lost == lost:
            self._losing = self._losing and len(self._replies) > 0
        elif not self._losing:
            self._losing = True
            words = f"more than {_REPLIES_MAX} replies wait for the broker: the oldest are dropped"
            self._report("replies-lost", words, Severity.WARNING)

    def announce(self) -> None:
        """Publish state and describe, retained, as they are now."""
        if self.ready:
            self._publish("describe", self._describe().encode(), retain=True)
            self._publish("state", self._state(Status.ONLINE).encode(), retain=True)

    def _connected(self, session: Session) -> None:
        self.reconnects += session.generation > 1
        for kind, name in (("state", ""), ("reply", ""), ("ack", ""), ("cmd", "+")):
            session.subscribe(topic(self._identity, kind, name, prefix=self._prefix))
        self._replies.flush()
        self._claim.begin()
        if self._trouble:
            self._report("link-recovered", "the broker is back")
        self._trouble = ""

    def _claimed(self, ours: bool) -> None:
        if ours:
            # Before any batch: the aggregator takes none from another installation than the one announced.
            self.announce()
            self._events.flush()
        self._on_road(ours)

    def _lost(self, reason: str) -> None:
        self._claim.cancel()
        self._on_road(False)
        if reason != self._trouble:  # once, not at each attempt
            self._report("link-lost", f"{reason}; readings wait in the outbox", Severity.WARNING)
        self._trouble = reason

    def _receive(self, message: paho.MQTTMessage) -> None:
        where = parse_topic(message.topic, prefix=self._prefix)
        payload = bytes(message.payload)
        try:
            match where.kind:
                case "ack":
                    self._on_ack(decode(payload, Ack))
                case "cmd" if not self._claim.is_question(payload):
                    self._on_command(where.name, payload)
                case "state" if payload:
                    self._claim.seen(decode(payload, State))
                case "reply":
                    self._claim.answered(decode(payload, Reply))
        except WireError as error:
            self._report("message-refused", f"{message.topic}: {error}", Severity.WARNING)

    def _ask_holder(self, payload: bytes) -> None:
        self._publish("cmd/ping", payload)

    def _published(self, mid: int) -> None:
        if self._replies or self._events:
            self._room.set()  # not here: the MQTT client holds a lock that a flush may wait for
        self._on_published(mid)

    def _flush_when_there_is_room(self) -> None:
        while not self._ended:
            self._room.wait()
            self._room.clear()
            self._replies.flush()
            self._events.flush()

    def _if_connected(self, kind: str, payload: bytes) -> int | None:
        return self._publish(kind, payload) if self._session.connected.is_set() else None

    def _publish(self, kind: str, payload: bytes, *, retain: bool = False) -> int | None:
        return self._session.publish(self._topic(kind), payload, retain=retain)

    def _topic(self, kind: str) -> str:
        return topic(self._identity, kind, prefix=self._prefix)

    def _state(self, status: Status) -> State:
        return State(status=status, since_ns=self._since_ns, instance=self._instance, clock=self._clock.state)
