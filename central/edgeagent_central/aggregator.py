"""The aggregator put together: subscribe → check → store → acknowledge, and the picture of the fleet."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import paho.mqtt.client as paho

from edgeagent_central.check import Bad, Checked, Window, check
from edgeagent_central.config import CentralConfig
from edgeagent_central.deadletters import DeadLetters
from edgeagent_central.fleet import Fleet, Node
from edgeagent_central.writer import Arrival, Writer
from edgeagent_sdk.errors import EdgeError, WireError
from edgeagent_sdk.lineproto import PLAUSIBLE_FROM_NS
from edgeagent_sdk.messages import Ack, Describe, Message, Refusal, State, decode, ranges
from edgeagent_sdk.mqtt import Session
from edgeagent_sdk.names import Identity
from edgeagent_sdk.topics import everyone, parse_topic, topic

_LOG = logging.getLogger("edgeagent")

#: A batch that comes incomplete is asked for again by silence; after so many times it is refused.
_INCOMPLETE_MAX = 3

#: So many incomplete batches are remembered; the oldest one's count begins anew when there are more.
_INCOMPLETE_KEPT = 1000

#: Unacknowledged messages that we are ready to hold; brokers have a limit of their own beside it.
_IN_FLIGHT = 1000

#: A healthy store answers a write sooner.
_SILENCE_MAX_S = 5.0

_DAY_NS = 86400 * 10**9

#: A node of 10,000 channels describes itself in about 2 MiB.
_MESSAGE_MAX_BYTES = 4 << 20

_CLOCK_UNSET = "this machine's clock is not set: no batch can be judged, and none is taken; set the clock"


class Aggregator:
    """One replica at work.

    Raises:
        EdgeError: the broker settings or the store cannot be used.
    """

    def __init__(self, config: CentralConfig) -> None:
        self.config = config
        self.fleet = Fleet()
        self.store = config.store(config.store_options)
        self.dead_letters = DeadLetters(Path(config.state_dir) / "dead-letters.jsonl")
        self.counts: Counter[str] = Counter()
        self.writer = Writer(self.store, config.queue_max_bytes, self._stored, self._bad, self._room)
        self._refused = ""
        self._told = ""
        self._waiting_for_clock = False
        self._incomplete: Counter[tuple[Identity, str, int]] = Counter()
        self._session = Session(
            config.broker,
            f"edge-aggregator-{config.group}-{config.replica}",
            persistent=config.persistent,
            manual_ack=True,
            in_flight=_IN_FLIGHT,
            on_connect=self._subscribe,
            on_message=self._receive,
            on_trouble=self._link_trouble,
            on_refused=self._subscription_refused,
        )

    @property
    def trouble(self) -> str:
        """Why this aggregator does not work now; empty if it does."""
        if time.time_ns() < PLAUSIBLE_FROM_NS:
            return _CLOCK_UNSET
        if not self._session.connected.is_set():
            return self._session.trouble or "not connected to the broker yet"
        if self.writer.silence_s > _SILENCE_MAX_S:
            return f"the store has not answered a write for {self.writer.silence_s:.0f} s"
        return self._refused or self.writer.trouble

    def start(self) -> None:
        """Start every thread; returns at once."""
        self.writer.start()
        self._session.start()

    def check(self) -> None:
        """Called about once a second."""
        self._clock_unset()

    def stop(self) -> None:
        """Finish the write under way, acknowledge it, and leave."""
        self.writer.stop(2.5)
        self._session.stop(1.0)
        self.store.close()

    def _link_trouble(self, reason: str) -> None:
        if reason != self._told:  # once, not at each attempt
            _LOG.warning("%s", reason)
        self._told = reason

    def _subscription_refused(self, topic_filter: str) -> None:
        host, port = self.config.broker.address()
        self._refused = (
            f"broker {host}:{port} does not let us subscribe to {topic_filter}; check its access rules"
        )
        _LOG.error("%s", self._refused)

    def _subscribe(self, session: Session) -> None:
        self._refused = self._told = ""
        prefix = self.config.prefix
        for kind in ("state", "describe", "ack"):
            session.subscribe(everyone(kind, prefix=prefix))
        session.subscribe(
            everyone("data", prefix=prefix, group=self.config.group if self.config.shared else "")
        )
        _LOG.info("connected to the broker")

    def _receive(self, message: paho.MQTTMessage) -> None:
        """Called for every message, in the MQTT thread."""
        keep = False
        try:
            where = parse_topic(message.topic, prefix=self.config.prefix)
            node = self.fleet.node(where.identity)
            if where.kind == "data":
                keep = self._take_data(node, message)
            elif message.payload:
                self._take_message(node, where.kind, bytes(message.payload))
        except EdgeError as error:
            self.counts["malformed"] += 1
            _LOG.debug("%s", error)
        if not keep and message.qos:
            self._session.acknowledge(message.mid, self._session.generation)

    def _take_message(self, node: Node, kind: str, payload: bytes) -> None:
        if len(payload) > _MESSAGE_MAX_BYTES:
            raise WireError(f"a {kind} of {len(payload)} bytes")
        match kind:
            case "state":
                node.state = decode(payload, State)
            case "describe":
                node.describe = decode(payload, Describe)
            case "ack":
                ack = decode(payload, Ack)
                self.fleet.stored_elsewhere(node, ack.boot, ack.stored)
        self.fleet.admit(node)

    def _take_data(self, node: Node, message: paho.MQTTMessage) -> bool:
        """Check a batch and hand it to the writer; True if the broker must wait for the store."""
        if self._clock_unset():
            return True  # the broker keeps it: nothing can be judged by a clock that is not set
        self.counts["batches"] += 1
        checked = check(bytes(message.payload), node.identity, node.heads, self._window())
        if checked.bad:
            self._bad(node, checked.bad)
        if checked.header and node.rival_of(checked.header.instance):
            # Not acknowledged to the sender: it holds the batch, and may send it when it is alone.
            self._bad(node, [Bad(b"", "two agents with this name; the batch is not of the one online")])
            self.counts["rivals"] += 1
            return False
        if not checked.payload:
            if checked.header:  # sent again it would be no better
                reason = f"nothing of it can be stored: {checked.bad[0].reason}"
                refusal = Refusal(seq=checked.header.seq, reason=reason)
                self._tell(node.identity, Ack(boot=checked.header.boot, refused=[refusal]))
            return False
        self.fleet.admit(node)
        if not self.writer.offer(Arrival(node, checked, message.mid, self._session.generation)):
            self.counts["turned_away"] += 1
        return True

    def _clock_unset(self) -> bool:
        """Whether our own clock cannot be true yet; once it can, what was left is asked for again."""
        unset = time.time_ns() < PLAUSIBLE_FROM_NS
        if self._waiting_for_clock and not unset:
            self._session.reconnect()
        if unset and not self._waiting_for_clock:
            _LOG.error("%s", _CLOCK_UNSET)
        self._waiting_for_clock = unset
        return unset

    def _window(self) -> Window:
        now = time.time_ns()
        return Window(now - int(self.config.past_days * _DAY_NS), now + int(self.config.future_s * 1e9))

    def _stored(self, arrivals: Sequence[Arrival]) -> None:
        """The store has these: tell the broker, the agents, and the picture."""
        acks: dict[tuple[Identity, str], tuple[list[tuple[int, int]], list[Refusal]]] = {}
        for node, checked, mid, generation in arrivals:
            self.fleet.stored(node, checked)
            self._session.acknowledge(mid, generation)
            self.counts["readings"] += len(checked.heads)
            header = checked.header
            if header is None:
                continue
            stored, refused = acks.setdefault((node.identity, header.boot), ([], []))
            if checked.whole:
                stored.append((header.seq - header.merged, header.seq))
            elif self._too_often(node, checked):
                refused.append(Refusal(seq=header.seq, reason="it came incomplete several times"))
        for (identity, boot), (stored, refused) in acks.items():
            if stored or refused:
                self._tell(identity, Ack(boot=boot, stored=_joined(stored), refused=refused))

    def _too_often(self, node: Node, checked: Checked) -> bool:
        assert checked.header is not None
        key = (node.identity, checked.header.boot, checked.header.seq)
        numbers = f"{len(checked.heads)} good lines, announced {checked.header.readings}"
        self._bad(node, [Bad(b"", f"an incomplete batch: {numbers}")])
        if key not in self._incomplete and len(self._incomplete) >= _INCOMPLETE_KEPT:
            del self._incomplete[next(iter(self._incomplete))]
        self._incomplete[key] += 1
        if self._incomplete[key] < _INCOMPLETE_MAX:
            return False
        del self._incomplete[key]
        return True

    def _tell(self, identity: Identity, message: Message) -> None:
        # QoS 0: an acknowledgement that is lost costs one repeated batch, and that is harmless.
        self._session.publish(topic(identity, "ack", prefix=self.config.prefix), message.encode(), qos=0)

    def _bad(self, node: Node, bad: list[Bad]) -> None:
        node.dead_letters += len(bad)
        self.dead_letters.put(node.identity, bad)

    def _room(self) -> None:
        """There is room again for what was turned away: make the broker send it again."""
        _LOG.info("the queue has room again; reconnecting to be sent what was turned away")
        self._session.reconnect()


def _joined(stored: list[tuple[int, int]]) -> list[tuple[int, int]]:
    if all(first == last for first, last in stored):
        return ranges([last for _, last in stored])
    return stored
