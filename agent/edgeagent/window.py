"""The batches in flight: sent, not yet acknowledged, bounded in number and in bytes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

#: In flight at most, beside the configured number of batches: it bounds what the MQTT client holds in memory.
WINDOW_MAX_BYTES = 4 << 20

#: An unanswered batch waits twice as long each time it is sent again, up to this.
_TIMEOUT_MAX_S = 300.0

Key = tuple[str, int]
"""A batch: the boot id of its outbox, and its seq."""


@dataclass(slots=True)
class Flight:
    """One batch on its way."""

    payload: bytes
    mid: int
    sent_ns: int
    timeout_s: float
    broker_has_it: bool = False


class Window:
    """What is on its way, and when it must be sent again.

    Args:
        send: hands a payload to the MQTT client; its message id, or None if the client takes no more.
        batches: how many may be in flight.
        ack_timeout_s: how long the receiver has before a batch is sent again.
    """

    def __init__(self, send: Callable[[bytes], int | None], batches: int, ack_timeout_s: float) -> None:
        self._send = send
        self.batches = batches
        self.ack_timeout_s = ack_timeout_s
        self.flights: dict[Key, Flight] = {}
        self._mids: dict[int, Key] = {}
        self._bytes = 0
        self.resent = 0

    @property
    def room(self) -> int:
        """How many more batches may be sent."""
        return self.batches - len(self.flights) if self._bytes < WINDOW_MAX_BYTES else 0

    def launch(self, key: Key, payload: bytes) -> bool:
        """Send a batch; False if the MQTT client takes no more now."""
        mid = self._send(payload)
        if mid is None:
            return False
        self.flights[key] = Flight(payload, mid, time.monotonic_ns(), self.ack_timeout_s)
        self._mids[mid] = key
        self._bytes += len(payload)
        return True

    def landed(self, keys: Iterable[Key]) -> float | None:
        """Acknowledged by the receiver: the longest time that one of them took, in seconds."""
        slowest = None
        for key in keys:
            flight = self.flights.pop(key, None)
            if flight:
                self._mids.pop(flight.mid, None)
                self._bytes -= len(flight.payload)
                slowest = max(slowest or 0.0, (time.monotonic_ns() - flight.sent_ns) / 1e9)
        return slowest

    def broker_has(self, mid: int) -> Key | None:
        """The broker holds message `mid`; which batch that was."""
        key = self._mids.pop(mid, None)
        if key is not None and key in self.flights:
            self.flights[key].broker_has_it = True
        return key

    def resend(self) -> None:
        """Send again what the broker took long ago and nobody acknowledged: it may have lost it."""
        now = time.monotonic_ns()
        for key, flight in self.flights.items():
            # What the broker does not have yet is the MQTT client's to send again, not ours.
            if not flight.broker_has_it or now - flight.sent_ns < flight.timeout_s * 1e9:
                continue
            mid = self._send(flight.payload)
            if mid is None:
                return
            self._mids[mid] = key
            flight.mid, flight.sent_ns, flight.broker_has_it = mid, now, False
            flight.timeout_s = min(2 * flight.timeout_s, _TIMEOUT_MAX_S)
            self.resent += 1

    def reconnected(self) -> None:
        """A new connection: perhaps to a broker that has forgotten; patience starts anew."""
        now = time.monotonic_ns()
        for flight in self.flights.values():
            flight.sent_ns, flight.timeout_s = now, self.ack_timeout_s

    def clear(self) -> None:
        """Another MQTT client takes over: nothing is on its way any more."""
        self.flights.clear()
        self._mids.clear()
        self._bytes = 0
