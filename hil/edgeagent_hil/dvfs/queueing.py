"""How a session's units are worked off: first come, first served, exact to the instant."""

from __future__ import annotations

from collections import deque
from math import inf, nan

from edgeagent_hil.dvfs.scenario import Stream
from edgeagent_sdk.governor import Session, Unit


class Queue:
    """The units of one stream while time goes on.

    A unit that is begun is worked on without a pause; when the clock changes, what is left of it goes on at
    the new one.

    Attributes:
        stream: what arrives.
        ended_s: by unit, when it was done; NaN if it never was.
    """

    def __init__(self, stream: Stream, domain: str) -> None:
        self.stream = stream
        self._domain = domain
        self._arrival_s = [*stream.arrival_s.tolist(), inf]
        self._cycles, self._memory_s = stream.cycles.tolist(), stream.memory_s.tolist()
        self.ended_s = [nan] * len(self._cycles)
        self._next = 0
        self._waiting: deque[int] = deque()
        self._running: int | None = None
        self._started_s = 0.0
        self._left = 0.0
        self._done: list[Unit] = []

    def serve(self, from_s: float, to_s: float, clock_hz: float) -> tuple[float, float]:
        """Work at `clock_hz` during a time in which it stays the same; calls follow each other in time.

        Returns:
            How long any unit was worked on; and the same with the time of waiting for memory weighted by
            `Stream.stalled`, s.
        """
        now_s, stalled = from_s, self.stream.stalled
        busy_s = active_s = 0.0
        while True:
            if self._running is None and not self._begin(now_s, to_s):
                break
            unit = self._running
            assert unit is not None
            now_s = max(now_s, self._started_s)
            computing_s, memory_s = self._cycles[unit] / clock_hz, self._memory_s[unit]
            whole_s = computing_s + memory_s
            active = (computing_s + stalled * memory_s) / whole_s
            end_s = now_s + self._left * whole_s
            if end_s > to_s:
                self._left = (end_s - to_s) / whole_s
                busy_s += to_s - now_s
                active_s += active * (to_s - now_s)
                break
            busy_s += end_s - now_s
            active_s += active * (end_s - now_s)
            self._end(unit, end_s)
            now_s = end_s
        self._admit(to_s)
        return busy_s, active_s

    def tell(self, now_s: float) -> Session:
        """What the workload says of itself; units done are told once."""
        arrival_s = self._arrival_s
        running = self._running
        waiting = tuple(now_s - arrival_s[unit] for unit in self._waiting)
        session = Session(
            name=self.stream.name,
            domains=(self._domain,),
            deadline_s=self.stream.deadline_s,
            done=tuple(self._done),
            pending_s=waiting if running is None else (now_s - arrival_s[running], *waiting),
            running_s=None if running is None else now_s - self._started_s,
        )
        self._done.clear()
        return session

    def _begin(self, now_s: float, to_s: float) -> bool:
        """Start the next unit that is there before `to_s`, if any."""
        self._admit(now_s)
        if not self._waiting:
            if self._arrival_s[self._next] >= to_s:
                return False
            now_s = self._arrival_s[self._next]
            self._admit(now_s)
        self._running = self._waiting.popleft()
        self._started_s, self._left = now_s, 1.0
        return True

    def _admit(self, until_s: float) -> None:
        arrival_s, waiting, depth = self._arrival_s, self._waiting, self.stream.depth
        while arrival_s[self._next] <= until_s:
            if len(waiting) < depth:
                waiting.append(self._next)
            self._next += 1

    def _end(self, unit: int, end_s: float) -> None:
        self._admit(end_s)
        self.ended_s[unit] = end_s
        self._done.append(Unit(end_s, end_s - self._started_s, end_s - self._arrival_s[unit]))
        self._running = None
