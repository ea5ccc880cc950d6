"""When something is due next: on the wall clock's grid or beside it, but paced by the monotonic clock."""

from __future__ import annotations

import random

from edgeagent.clock import Clock


def jitter(text: str, span_s: float) -> float:
    """A phase in [0, `span_s`) that depends on `text` alone: it spreads a fleet, and stays over restarts."""
    return random.Random(text).random() * span_s


class Schedule:
    """The moments, on the monotonic clock, at which something is due.

    Args:
        interval_s: from one moment to the next.
        phase_s: distance from the wall clock's multiples of the interval; 0 is aligned, so that the
            readings of a fleet can be added up.
    """

    def __init__(self, interval_s: float, clock: Clock, phase_s: float = 0.0) -> None:
        self.interval_ns = max(1, round(interval_s * 1e9))
        self.missed = 0
        self._clock = clock
        self._phase_ns = round(phase_s * 1e9)
        self._due_ns: int | None = None

    def next_ns(self, now_ns: int) -> int:
        """The next moment after `now_ns`; moments already gone by are counted in `missed`."""
        if self._due_ns is None:
            self._due_ns = now_ns + self.interval_ns - self._off_grid(now_ns)
            return self._due_ns
        due = self._due_ns + self.interval_ns
        if due <= now_ns:
            late = (now_ns - due) // self.interval_ns + 1
            self.missed += late
            due += late * self.interval_ns
        # While stamps run at half speed the grid of stamps would double the pace: wait until it is over.
        if not self._clock.slewing:
            off = self._off_grid(due)
            due -= off if off <= self.interval_ns // 2 else off - self.interval_ns
        self._due_ns = max(due, now_ns)
        return self._due_ns

    def _off_grid(self, monotonic_ns: int) -> int:
        return (self._clock.stamp_ns(monotonic_ns) - self._phase_ns) % self.interval_ns
