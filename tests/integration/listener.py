"""Somebody who listens to the whole tree with a session that the broker keeps: nothing passes unheard."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import paho.mqtt.client as paho

from edgeagent_sdk.batch import Header, decode_batch
from edgeagent_sdk.channel import Reading
from edgeagent_sdk.mqtt import Broker, Session
from edgeagent_sdk.topics import everyone


class Listener:
    """Batches as they came, those that came twice among them."""

    def __init__(self, url: str) -> None:
        self.batches: list[tuple[Header, list[Reading]]] = []
        self._lock = threading.Lock()
        self.session = Session(
            Broker(url=url),
            "listener",
            persistent=True,
            on_connect=lambda session: session.subscribe(everyone("data")),
            on_message=self._take,
        )
        self.session.connect_or_raise()

    def _take(self, message: paho.MQTTMessage) -> None:
        with self._lock:
            self.batches.append(decode_batch(bytes(message.payload)))

    @property
    def headers(self) -> dict[int, Header]:
        """Header of each batch by its seq."""
        with self._lock:
            return {header.seq: header for header, _ in self.batches}

    @property
    def readings(self) -> set[Reading]:
        """Each reading once, as a store would hold them."""
        with self._lock:
            return {reading for _, readings in self.batches for reading in readings}

    @property
    def values(self) -> list[float]:
        """The readings' values, sorted."""
        return sorted(reading.value for reading in self.readings)


@contextmanager
def listener(url: str) -> Iterator[Listener]:
    """A `Listener`, disconnected at the end."""
    made = Listener(url)
    try:
        yield made
    finally:
        made.session.stop()
