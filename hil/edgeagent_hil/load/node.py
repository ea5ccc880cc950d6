"""One made-up agent, as far as the broker and the aggregator can tell."""

from __future__ import annotations

import time
import uuid
from typing import Any, NamedTuple

import paho.mqtt.client as paho

from edgeagent_hil.load.payloads import Payloads
from edgeagent_hil.load.plan import Plan, Tally
from edgeagent_sdk.errors import BrokerError
from edgeagent_sdk.messages import Ack, ChannelInfo, Describe, State, Status, decode
from edgeagent_sdk.mqtt import explain, new_client
from edgeagent_sdk.names import Identity
from edgeagent_sdk.quantities import quantity
from edgeagent_sdk.topics import topic


class _Waiting(NamedTuple):
    payload: bytes
    sent_s: float
    again_s: float


class Node:
    """One made-up agent. Everything happens in the loop that owns it."""

    def __init__(self, plan: Plan, number: int, tally: Tally) -> None:
        self.identity = Identity(plan.site, f"load-{number}")
        self.connected = False
        self.waiting: dict[int, _Waiting] = {}
        self._plan, self._tally = plan, tally
        self._payloads = Payloads(self.identity, plan.channels, uuid.uuid4().hex[:16], uuid.uuid4().hex)
        self._last: list[paho.MQTTMessageInfo] = []
        self._data_topic = self._topic("data")
        self._since_ns = time.time_ns()
        client = self.client = new_client(plan.broker, f"edge-load-{plan.site}-{number}")
        client.max_inflight_messages_set(0)
        client.will_set(self._topic("state"), self._state(Status.OFFLINE), qos=1, retain=True)
        client.on_connect = self._connack
        client.on_disconnect = self._lost
        client.on_message = self._ack

    def connect(self) -> None:
        """Begin to connect. Raises BrokerError if the broker is not there."""
        host, port = self._plan.broker.address()
        try:
            self.client.connect(host, port, self._plan.broker.keepalive_s)
        except (OSError, ValueError) as error:
            raise BrokerError(explain(self._plan.broker, error)) from None

    def announce(self) -> None:
        """Publish describe and state."""
        self.client.publish(self._topic("describe"), self._describe(), qos=1, retain=True)
        self.client.publish(self._topic("state"), self._state(Status.ONLINE), qos=1, retain=True)

    def send(self) -> None:
        """Publish the next batch, read now."""
        seq, payload = self._payloads.next(time.time_ns())
        now_s = time.perf_counter()
        self.waiting[seq] = _Waiting(payload, now_s, now_s + self._plan.ack_timeout_s)
        self._tally.batches += 1
        self._tally.in_flight_max = max(self._tally.in_flight_max, len(self.waiting))
        self.client.publish(self._data_topic, payload, qos=1)

    def resend(self, now_s: float) -> None:
        """Publish again what has waited too long for its ack."""
        for seq, one in self.waiting.items():
            if one.again_s > now_s:
                return  # the rest was sent later
            self.waiting[seq] = one._replace(again_s=now_s + self._plan.ack_timeout_s)
            self.client.publish(self._data_topic, one.payload, qos=1)
            self._tally.resent += 1

    def forget(self) -> None:
        """Clear the retained messages, so that no trace of the fleet stays at the broker."""
        self._last = [
            self.client.publish(self._topic(kind), b"", qos=1, retain=True) for kind in ("describe", "state")
        ]

    @property
    def forgotten(self) -> bool:
        """Whether the broker has answered `forget`, or cannot any more."""
        return not self.connected or all(info.is_published() for info in self._last)

    def _topic(self, kind: str) -> str:
        return topic(self.identity, kind, prefix=self._plan.prefix)

    def _state(self, status: Status) -> bytes:
        return State(
            status=status, since_ns=self._since_ns, instance=self._payloads.instance, clock="synced"
        ).encode()

    def _describe(self) -> bytes:
        channels = [
            ChannelInfo(
                device=device,
                channel=channel,
                quantity=name,
                unit=quantity(name).unit,
                kind=quantity(name).kind,
                interval_s=self._plan.interval_s,
            )
            for name, device, channel in self._payloads.series
        ]
        return Describe(
            boot=self._payloads.boot, instance=self._payloads.instance, channels=channels
        ).encode()

    def _connack(self, client: paho.Client, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
        self.connected = not code.is_failure
        if self.connected:
            client.subscribe([(self._topic("ack"), 1), (self._topic("cmd") + "/+", 1)])

    def _lost(self, _client: paho.Client, _data: Any, _flags: Any, _code: Any, _properties: Any) -> None:
        self.connected = False

    def _ack(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        if not message.topic.endswith("/ack"):
            return
        now_s = time.perf_counter()
        ack = decode(bytes(message.payload), Ack)
        if ack.boot != self._payloads.boot:
            return
        for first, last in ack.stored:
            for seq in range(first, last + 1):
                one = self.waiting.pop(seq, None)
                if one:
                    self._tally.sent_s.append(one.sent_s)
                    self._tally.latency_s.append(now_s - one.sent_s)
        for refusal in ack.refused:
            self._tally.refused += self.waiting.pop(refusal.seq, None) is not None
