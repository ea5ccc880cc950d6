"""The agent as one of its own devices: how much waits, what was lost, what it costs to run."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from edgeagent.control import Control
from edgeagent.courier import Courier
from edgeagent.devices import Devices
from edgeagent.guard import Guards
from edgeagent.hints import Hints
from edgeagent.link import Link
from edgeagent_sdk.channel import Channel
from edgeagent_sdk.driver import Host, Options, Sensor

DEVICE = "agent"

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Parts(NamedTuple):
    """What is measured."""

    courier: Courier
    devices: Devices
    control: Control
    link: Callable[[], Link | None]  # a reload may replace it
    hints: Hints
    guards: Guards


def _oldest_age_s(parts: Parts) -> float:
    oldest = parts.courier.status.oldest_ns
    return max(0.0, (time.time_ns() - oldest) / 1e9) if oldest is not None else 0.0


def _reconnects(parts: Parts) -> float:
    link = parts.link()
    return link.reconnects if link else 0


def _unanswered(parts: Parts) -> float:
    link = parts.link()
    return link.unanswered if link else 0


def _cpu_s(_parts: Parts) -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _memory_bytes(_parts: Parts) -> float:
    return int(Path("/proc/self/statm").read_bytes().split()[1]) * _PAGE_BYTES


_TABLE: tuple[tuple[str, str, str, Callable[[Parts], float]], ...] = (
    ("outbox", "depth", "batches that wait or are on their way", lambda p: p.courier.status.batches),
    ("outbox", "size", "bytes of them on the disk", lambda p: p.courier.status.size_bytes),
    ("outbox", "age", "age of the oldest of them", _oldest_age_s),
    ("readings", "count", "readings taken over", lambda p: p.courier.tally.readings),
    ("faults", "count", "faults in the place of a number", lambda p: p.devices.faults),
    ("overruns", "count", "moments missed by a device still busy", lambda p: p.devices.overruns),
    ("thinned", "count", "readings thinned out, over budget", lambda p: p.courier.tally.thinned),
    ("dropped", "count", "readings lost: over budget or damaged", lambda p: p.courier.tally.dropped),
    ("refused", "count", "batches that the aggregator refused", lambda p: p.courier.tally.refused),
    ("reverts", "count", "times somebody else set what a lease held", lambda p: p.control.reverts),
    ("guards", "state", "how many guards act now", lambda p: p.guards.acting),
    ("hints", "count", "reports of workloads", lambda p: p.hints.taken),
    ("no-hints", "count", "datagrams among them that were none, or found no room", lambda p: p.hints.garbage),
    ("reconnects", "count", "times the broker came back", _reconnects),
    ("unanswered", "count", "replies lost: too many waited for the broker", _unanswered),
    (
        "ack",
        "latency",
        "sending to acknowledgement, slowest of late",
        lambda p: p.courier.tally.ack_latency_s,
    ),
    ("cpu", "duration", "CPU time of the agent", _cpu_s),
    ("memory", "size", "resident memory of the agent", _memory_bytes),
)


class SelfSensor(Sensor):
    """Reads the agent's own parts."""

    summary = "the agent itself"

    def __init__(self, parts: Parts) -> None:
        super().__init__(Host(), Options())
        self._parts = parts

    def open(self) -> Sequence[Channel]:
        """One channel for each row of the table."""
        return [Channel(name, quantity, description=text) for name, quantity, text, _ in _TABLE]

    def read(self) -> Sequence[float]:
        """The rows' values now."""
        return [float(value(self._parts)) for *_, value in _TABLE]
