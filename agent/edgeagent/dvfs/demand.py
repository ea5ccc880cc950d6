"""What a session asks for: when its units come, and how slow one may be worked off.

Three questions bound the time that a typical unit may take. What is there already must be done by its
deadlines: the optimal speed for available work (Yao, Demers, Shenker, FOCS 1995), for the tail of the unit's
size, though not before it shows that it is a long one if a later speed-up still saves it (Lorch, Smith,
SIGMETRICS 2001). What may come before the next decision must be saved by it. And what comes all the time
must find a queue that waits no longer than it may: Lindley's recursion over the last arrivals.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from math import inf

from edgeagent.dvfs.pace import tail_of_sum
from edgeagent.dvfs.quantile import Quantile

#: Arrivals that count: no more than so many, and none older than this.
_ARRIVALS, _MEMORY_S = 128, 40.0

#: By these factors the time that the queue allows is searched, one step at each question.
_UP, _DOWN = 1.02, 0.96

#: So many units more than usual are reckoned with at most.
_CAREFUL = 4.0

#: A unit that is longer than the tail expects goes on for at least this share of a typical one.
_STILL = 0.1

#: So much of the time that the fastest clock needs is kept back for what it may need more.
_RESERVE = 1.03


class Demand:
    """The arrivals of one session."""

    def __init__(self) -> None:
        self._arrived: deque[float] = deque(maxlen=_ARRIVALS)
        self._last_s = -inf
        self._bursts, self._crowds = Quantile(), Quantile()
        self._steady_s: float | None = None
        self._asked = 0
        self._care = 1.0

    def learn(self, arrivals_s: Iterable[float], tick_s: float, deadline_s: float) -> None:
        """Moments of arrivals, in order; those known already are left out."""
        for arrival_s in arrivals_s:
            if arrival_s > self._last_s + 1e-7:
                self._arrived.append(arrival_s)
                self._last_s = arrival_s
                self._bursts.add(float(self._since(arrival_s - tick_s)))
                self._crowds.add(float(self._since(arrival_s - deadline_s)))

    def _since(self, time_s: float) -> int:
        count = 0
        for arrival_s in reversed(self._arrived):
            if arrival_s < time_s:
                break
            count += 1
        return count

    def rate_per_s(self, now_s: float) -> float:
        """Units per second, lately."""
        arrived = self._arrived
        while arrived and arrived[0] < now_s - _MEMORY_S:
            arrived.popleft()
        if len(arrived) < 2:
            return len(arrived) / _MEMORY_S
        gaps, span_s = len(arrived) - 1, self._last_s - arrived[0]
        silent_s = now_s - arrived[0] - 2.0 * span_s / gaps  # two gaps without an arrival are none yet
        return gaps / max(span_s, silent_s, 1e-6)

    @property
    def burst(self) -> float:
        """So many units come within a tick, at most, in 99 of 100 cases; more while units have been late."""
        return max(1.0, self._bursts.at(0.99, 1.0)) + self._care

    @property
    def crowd(self) -> float:
        """The same within a deadline."""
        return max(1.0, self._crowds.at(0.99, 1.0)) + self._care

    def judge(self, missed: bool, misses: float) -> None:
        """A unit is done: each late one makes more careful, for as long as it takes to make up for it.

        In the mean over time half of `misses` are late then (Gibbs, Candès, NeurIPS 2021).
        """
        self._care = min(max(0.0, self._care + missed - misses / 2), _CAREFUL)

    def steady_s(self, deadline_s: float, tail: float, misses: float) -> float:
        """How long a typical unit may take if the clock stays, so that the queue keeps the deadline."""
        longest_s = deadline_s / tail
        guess_s = min(self._steady_s or longest_s, longest_s)
        self._asked += 1
        tried_s = min(longest_s, guess_s * _UP) if self._asked % 2 else guess_s
        late = self._late(tried_s, deadline_s, tail)
        if late <= misses:
            guess_s = tried_s
        elif tried_s == guess_s:
            guess_s *= _DOWN
        self._steady_s = guess_s
        return guess_s

    def _late(self, unit_s: float, deadline_s: float, tail: float) -> float:
        """Share of the last arrivals that would have been late had each unit taken `unit_s`."""
        free_s, late = -inf, 0
        room_s = deadline_s - (tail - 1.0) * unit_s + 1e-9
        for arrival_s in self._arrived:
            free_s = free_s + unit_s if free_s > arrival_s else arrival_s + unit_s
            if free_s - arrival_s > room_s:
                late += 1
        return late / max(1, len(self._arrived))


def longest_s(work: float, slack_s: float, tick_s: float, fastest_s: float) -> float:
    """How long a typical unit may take so that `work` of them end within `slack_s`.

    Either at this pace to the end, or until the next decision and from then on at the fastest one.
    """
    if work <= 0:
        return inf
    straight_s = max(0.0, slack_s / work)
    later_s = slack_s - tick_s
    if later_s <= 0:
        return straight_s
    left_over = work - later_s / fastest_s
    return max(straight_s, tick_s / left_over) if left_over > 0 else inf


def bound_s(
    deadline_s: float,
    pending_s: Sequence[float],
    begun: float,
    tail: float,
    tick_s: float,
    fastest_s: float,
    steady_s: float,
    burst: float,
    crowd: float,
    rate_per_s: float,
) -> tuple[float, float]:
    """How long a typical unit may take until the next decision.

    Args:
        pending_s: ages of the units that wait or are worked on.
        begun: how much of the first of them is done, in typical units.
        fastest_s: what a typical unit takes at the fastest clocks that are allowed.
        steady_s, burst, crowd, rate_per_s: what is known of arrivals.

    Returns:
        The bound, and the work that is there, in typical units.
    """
    fastest_s *= _RESERVE
    middle = 0.5 * (1.0 + tail)
    bound = inf
    work_tail = work_middle = work = 0.0
    for index, age_s in enumerate(pending_s):
        first_tail = max(tail - begun, _STILL) if index or begun else tail
        first = max(1.0 - begun, _STILL)
        work = first + index
        work_tail = first_tail + (tail_of_sum(tail, index) if index else 0.0)
        work_middle = max(middle - begun, _STILL) + index * middle
        slack_s = deadline_s - age_s
        if slack_s <= 0:  # it is late whatever is done; what waits behind it may not be
            continue
        bound = min(bound, longest_s(work_tail, slack_s, tick_s, fastest_s))
        bound = min(bound, slack_s / (work_middle + 0.5 * rate_per_s * max(0.0, slack_s - tick_s)))
    if deadline_s <= tick_s:
        return min(bound, steady_s), work
    sudden = longest_s(work_tail + tail_of_sum(tail, round(burst)), deadline_s, tick_s, fastest_s)
    # The last of a crowd may come a deadline from now, and is then due another one later.
    coming = longest_s(work_tail + tail_of_sum(tail, round(crowd)), 2.0 * deadline_s, tick_s, fastest_s)
    return min(bound, max(steady_s, min(sudden, coming))), work
