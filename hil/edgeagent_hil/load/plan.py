"""What a load run is to do, and what came of it."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import NamedTuple

from edgeagent_sdk.mqtt import Broker
from edgeagent_sdk.topics import PREFIX


class Plan(NamedTuple):
    """What to do.

    Args:
        broker: where to send.
        nodes: how many; they are called ``load-0`` and so on.
        channels: readings in a batch.
        interval_s: from one batch of a node to its next; 0: as fast as acks come back.
        duration_s: how long batches are sent; the missing acks are awaited after that.
        spread: share of the interval over which the batches of the fleet are spread. Agents use a
            quarter: they read on the second and send soon after.
        window: batches in flight per node, without an interval.
        ack_timeout_s: how long a node waits before it sends a batch again.
        processes: over which the nodes are split.
    """

    broker: Broker
    nodes: int
    channels: int
    interval_s: float = 1.0
    duration_s: float = 60.0
    spread: float = 0.25
    window: int = 4
    ack_timeout_s: float = 10.0
    processes: int = 1
    site: str = "load"
    prefix: str = PREFIX


@dataclass
class Tally:
    """What came of it. Times in seconds: `sent_s` since the first batch was due, in order of their acks.

    Attributes:
        sent_s, latency_s: of each acknowledged batch, when it was sent and how long its ack took.
        late_s: of each batch, how long after its time this generator sent it.
        backlog: batches without ack when the last batch had been sent.
    """

    sent_s: array[float] = field(default_factory=lambda: array("d"))
    latency_s: array[float] = field(default_factory=lambda: array("d"))
    late_s: array[float] = field(default_factory=lambda: array("d"))
    batches: int = 0
    unacknowledged: int = 0
    refused: int = 0
    resent: int = 0
    reconnects: int = 0
    backlog: int = 0
    in_flight_max: int = 0
    cpu_s: float = 0.0

    def add(self, other: Tally) -> None:
        """Take in the tally of another process."""
        for name in ("sent_s", "latency_s", "late_s"):
            getattr(self, name).extend(getattr(other, name))
        for name in ("batches", "unacknowledged", "refused", "resent", "reconnects", "backlog", "cpu_s"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.in_flight_max = max(self.in_flight_max, other.in_flight_max)
