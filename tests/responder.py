"""In the aggregator's place: takes every batch, and answers as it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import paho.mqtt.client as paho

from edgeagent_sdk.batch import Header, decode_batch, decode_header
from edgeagent_sdk.channel import Reading
from edgeagent_sdk.messages import Ack, Describe, State, decode
from edgeagent_sdk.mqtt import Broker, Session
from edgeagent_sdk.names import Identity
from edgeagent_sdk.topics import everyone, parse_topic, topic

Answer = Callable[[str, int], Ack | None]


def stored(boot: str, seq: int) -> Ack:
    """The answer that the batch is safe."""
    return Ack(boot=boot, stored=[(seq, seq)])


class Responder:
    """Everything that nodes published since it connected.

    Args:
        answer: makes the ack of a batch out of its boot id and seq; None for none.
        decode_lines: also decode the readings; without, only headers are looked at.
    """

    def __init__(self, url: str, answer: Answer = stored, *, decode_lines: bool = True) -> None:
        self.headers: list[Header] = []
        self.readings: list[Reading] = []
        self.states: dict[Identity, list[State | None]] = {}
        self.describes: dict[Identity, Describe] = {}
        self._answer, self._decode_lines = answer, decode_lines
        self.session = Session(
            Broker(url=url), "responder", on_connect=self._subscribe, on_message=self._take, in_flight=10_000
        )
        self.session.connect_or_raise()

    @property
    def batches(self) -> list[tuple[Identity, int]]:
        """Who sent which seq, in order of arrival."""
        return [(header.identity, header.seq) for header in self.headers]

    def _subscribe(self, session: Session) -> None:
        for kind in ("data", "state", "describe"):
            session.subscribe(everyone(kind))

    def _take(self, message: paho.MQTTMessage) -> None:
        who, kind, _ = parse_topic(message.topic)
        payload = bytes(message.payload)
        if kind == "state":
            self.states.setdefault(who, []).append(decode(payload, State) if payload else None)
        elif kind == "describe" and payload:
            self.describes[who] = decode(payload, Describe)
        elif kind == "data":
            self._take_batch(who, payload)

    def _take_batch(self, who: Identity, payload: bytes) -> None:
        if self._decode_lines:
            header, readings = decode_batch(payload)
            self.readings += readings
        else:
            header = decode_header(payload.partition(b"\n")[0])
        assert header.identity == who
        self.headers.append(header)
        if ack := self._answer(header.boot, header.seq):
            self.session.publish(topic(who, "ack"), ack.encode())


@contextmanager
def responder(url: str, answer: Answer = stored, *, decode_lines: bool = True) -> Iterator[Responder]:
    """A `Responder`, disconnected at the end."""
    taken = Responder(url, answer, decode_lines=decode_lines)
    try:
        yield taken
    finally:
        taken.session.stop()
