"""What is known of one session: how long its units take, when they come, and how far the one in work is."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from edgeagent.dvfs.demand import Demand, bound_s
from edgeagent.dvfs.pace import Pace, harmonic
from edgeagent_sdk.governor import Session

Slowness = tuple[float, ...]

#: Of a longer queue no more units are looked at: its head decides.
_PENDING = 64


class History:
    """Which slowness the domains had when, for as long as a unit may take."""

    def __init__(self, length_s: float = 30.0) -> None:
        self._length_s = length_s
        self._spans: deque[tuple[float, float, Slowness]] = deque()

    def add(self, from_s: float, to_s: float, slowness: Slowness) -> None:
        """The clocks of one tick."""
        self._spans.append((from_s, to_s, slowness))
        while self._spans[0][1] < to_s - self._length_s:
            self._spans.popleft()

    @property
    def last(self) -> Slowness:
        """The slowness of the last tick."""
        return self._spans[-1][2]

    def between(self, from_s: float, to_s: float) -> list[tuple[float, Slowness]]:
        """How long each slowness lasted; empty if it is not known for all of that time."""
        spans = []
        for begin_s, end_s, slowness in reversed(self._spans):
            overlap_s = min(end_s, to_s) - max(begin_s, from_s)
            if overlap_s > 1e-9:
                spans.append((overlap_s, slowness))
            if begin_s <= from_s:
                return spans
        return spans if spans and sum(dt for dt, _ in spans) > 0.98 * (to_s - from_s) else []


class Tracker:
    """One session.

    Attributes:
        domains: indices of the domains that it works on.
        work_share: share of the last tick in which a unit was worked on.
        work: that is there, in typical units.
        stalled: share of the work's time, in the last tick, that no clock shortens.
    """

    def __init__(self, session: Session, domains: tuple[int, ...]) -> None:
        self.name = session.name
        self.domains = domains
        self.pace = Pace(domains, session.misses)
        self.demand = Demand()
        self.work_share = 0.0
        self.work = 0.0
        self.stalled = 0.0
        self.seen_s = 0.0
        self._session = session
        self._begun = 0.0

    @property
    def deadline_s(self) -> float:
        """From a unit's arrival to its end."""
        return self._session.deadline_s

    def own(self, slowness: Sequence[float]) -> list[float]:
        """Of all domains' slowness, that of its own."""
        return [slowness[d] for d in self.domains]

    def time_s(self, slowness: Sequence[float]) -> float:
        """A typical unit at all domains' slowness."""
        return self.pace.time_s(self.own(slowness))

    def learn(self, session: Session, history: History, from_s: float, now_s: float, tick_s: float) -> None:
        """What a tick has brought."""
        self._session, self.seen_s = session, now_s
        arrived = [unit.ended_s - unit.latency_s for unit in session.done]
        arrived += [now_s - age_s for age_s in session.pending_s]
        self.demand.learn(arrived, tick_s, session.deadline_s)
        worked_s = 0.0
        for unit in session.done:
            began_s = unit.ended_s - unit.service_s
            self.demand.judge(unit.latency_s > session.deadline_s, session.misses)
            worked_s += max(0.0, min(unit.ended_s, now_s) - max(began_s, from_s))
            spans = self._own_spans(history, began_s, unit.ended_s)
            if spans:
                slowness = harmonic(spans, self.pace)
                self.pace.learn(slowness, unit.service_s, unit.latency_s, session.deadline_s)
        self._begun = 0.0
        if session.running_s is not None:
            worked_s += min(session.running_s, now_s - from_s)
            spans = self._own_spans(history, now_s - session.running_s, now_s)
            if self.pace.known:
                self._begun = sum(dt / max(self.pace.time_s(x), 1e-9) for dt, x in spans)
        self.work_share = min(1.0, worked_s / max(now_s - from_s, 1e-9))
        if now_s > from_s:
            self.stalled = self.pace.stalled(self.own(history.last))

    def bound_s(self, tick_s: float, fastest_s: float, now_s: float) -> float:
        """How long a typical unit may take until the next decision."""
        session, pace = self._session, self.pace
        tail = pace.tail()
        steady_s = self.demand.steady_s(session.deadline_s, tail, session.misses / 2)
        bound, self.work = bound_s(
            session.deadline_s,
            session.pending_s[:_PENDING],
            self._begun,
            tail,
            tick_s,
            fastest_s,
            steady_s,
            self.demand.burst,
            self.demand.crowd,
            self.demand.rate_per_s(now_s),
        )
        return max(bound, fastest_s * 1.0001)

    def _own_spans(self, history: History, from_s: float, to_s: float) -> list[tuple[float, list[float]]]:
        return [(dt, self.own(x)) for dt, x in history.between(from_s, to_s)]
