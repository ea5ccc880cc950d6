"""How long one unit of a session takes at which clocks: ``t = Σ c_d/f_d + m``, learned as units are done.

c_d are the cycles spent in domain d, m the time that no clock shortens (memory, transfers): the first-order
model of DVFS research (Hsu, Kremer, PLDI 2003; PolyThrottle and zTT measure the same shape on GPUs). Here
x_d = f_max/f_d stands for the clock, so that all weights are seconds. Before two clocks were seen m is 0,
which makes slower clocks look slower than they are: the side on which deadlines are kept. Units may become
others all at once, as when a program enters a phase that is bound by memory; each kind is learned by itself,
and when it comes back it is known again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from math import copysign, log, sqrt
from operator import mul

from edgeagent.dvfs.change import Change
from edgeagent.dvfs.places import Places
from edgeagent.dvfs.quantile import Quantile
from edgeagent.dvfs.rls import Fit

Place = tuple[int, ...]

#: Places are told apart by steps of 1/16 in the logarithm of the clock, about 6 %.
_FINE = 16

#: A unit that took this much longer or shorter than expected teaches no more than that.
_ODD = 5.0

#: What is usual at a clock is known after so many units.
_USUAL = 4.0

#: The first unit counts as this share of one more; it agrees with what is recalled within this factor.
_TRUST, _AGREES = 0.03, 1.5

#: So many kinds of units are remembered. The last units are of one that is within the first of these, in
#: logarithms; within the second, the same ones have only become a little larger or smaller.
_PHASES, _NEAR, _DRIFT = 3, 0.06, 0.15


class Pace:
    """What is known of one session's units.

    Args:
        domains: indices of the domains that it works on.
        misses: the share of units that may miss their deadline.

    Attributes:
        ratios: of service times to what was expected.
        changes: how often the units were found to have become others; kinds: that were not known before.
    """

    def __init__(self, domains: tuple[int, ...], misses: float) -> None:
        self.domains = domains
        self.ratios = Quantile()
        self.changes = self.kinds = 0
        self._misses = misses
        self._level = misses / 2
        self._change = Change()
        self._places: Places[Place] | None = None
        self._phases: list[Places[Place]] = []
        self._last: deque[tuple[list[float], float]] = deque(maxlen=2)
        self._recalled: list[float] = []

    @property
    def known(self) -> bool:
        """Whether any unit was seen."""
        return self._places is not None

    @property
    def theta(self) -> list[float]:
        """c_d at the highest clocks, in order, then m; s."""
        return self._places.fit.theta if self._places else []

    def time_s(self, slowness: Sequence[float]) -> float:
        """A typical unit's service time.

        Args:
            slowness: x of each of the session's domains.
        """
        *cycles, memory_s = self.theta
        return sum(c * x for c, x in zip(cycles, slowness, strict=True)) + memory_s

    def stalled(self, slowness: Sequence[float]) -> float:
        """The share of a unit's time that is spent on what no clock shortens."""
        whole_s = self.time_s(slowness) if self._places else 0.0
        return self.theta[-1] / whole_s if whole_s > 0 else 0.0

    def tail(self) -> float:
        """A unit takes more than this many times the typical one no more often than misses are allowed."""
        return max(1.0, self.ratios.at(1.0 - self._level))

    def recall(self, theta: Sequence[float]) -> None:
        """Weights learned earlier; they are believed if the first unit bears them out."""
        self._recalled = list(theta)

    def learn(self, slowness: Sequence[float], service_s: float, latency_s: float, deadline_s: float) -> None:
        """A unit is done.

        Args:
            slowness: the mean x of each domain over the unit's work.
        """
        if not (service_s > 0 and all(x > 0 for x in slowness)):
            return
        row = [*slowness, 1.0]
        if self._places is None:
            self._places = _begun(row, service_s, self._recalled)
        key = tuple(round(_FINE * log(x)) for x in slowness)
        usual_s = self._places.known(key, _USUAL)
        self._last.append((row, service_s))
        if usual_s is not None:
            self.ratios.add(min(service_s / usual_s, _ODD))
        if self._change.add(self._surprise(row, service_s, usual_s)):
            self._turn()
        places = self._places
        expected_s = max(places.fit.value(row), 1e-9)
        places.learn(key, row, min(service_s, _ODD * expected_s), 1 / expected_s**2)
        places.fit.solve(3)
        self._keep_promise(latency_s > deadline_s)

    def _surprise(self, row: Sequence[float], service_s: float, usual_s: float | None) -> float:
        """How far a unit is from what was to be expected, in logarithms.

        At a clock that is new the model may err: not all of the difference is the unit's.
        """
        assert self._places is not None
        if usual_s is not None:
            return log(service_s / usual_s)
        if self._places.familiar(_USUAL) < 2:
            return 0.0
        off = log(service_s / max(self._places.fit.value(row), 1e-9))
        return copysign(max(0.0, abs(off) - _NEAR), off)

    def _turn(self) -> None:
        """The units have become others: such as were known before, or new ones."""
        assert self._places is not None
        self.changes += 1
        self.ratios.clear()
        before, row = self._places, self._last[-1][0]
        others = [phase for phase in self._phases if phase is not before]
        self._phases = [*others[1 - _PHASES :], before]
        near = max(_NEAR, self._change.deviation)
        off, known = min(((self._off(phase), i) for i, phase in enumerate(self._phases)))
        if off <= near:
            self._places = self._phases[known]
            return
        service_s = sum(service_s for _, service_s in self._last) / len(self._last)
        share = service_s / max(before.fit.value(row), 1e-9)
        drifted = [share * weight for weight in before.fit.theta] if abs(log(share)) < _DRIFT else []
        self._places = _begun(row, service_s, drifted)
        self.kinds += 1

    def _off(self, phase: Places[Place]) -> float:
        """How far what a phase expects is from the last units, in logarithms."""
        offs = [log(service_s / max(phase.fit.value(row), 1e-9)) for row, service_s in self._last]
        return abs(sum(offs)) / len(offs)

    def _keep_promise(self, missed: bool) -> None:
        """Aim lower after misses, higher while there are none (Gibbs, Candès, NeurIPS 2021)."""
        self._level += 0.01 * self._misses * (self._misses / 2 - missed)
        self._level = min(max(self._level, self._misses / 20), self._misses / 2)


def _begun(row: Sequence[float], service_s: float, believed: Sequence[float]) -> Places[Place]:
    """What is known after the first unit: all of it depends on the clock, if nothing better is believed."""
    *slowness, _ = row
    theta = [*(service_s / sum(slowness) for _ in slowness), 0.0]
    if believed and service_s / _AGREES < sum(map(mul, believed, row)) < service_s * _AGREES:
        theta = list(believed)
    trusts = [_TRUST / service_s**2] * len(theta)
    return Places(Fit(theta, trusts, [0.0] * len(theta)), keep=60.0, most=48)


def harmonic(spans: Sequence[tuple[float, Sequence[float]]], pace: Pace) -> list[float]:
    """The mean slowness of a unit over its work, from how long each slowness lasted.

    A stretch dt at slowness x gets the share ``dt / t(x)`` of the unit done, and these shares weigh x.

    Args:
        spans: seconds, and slowness by domain, of each stretch.
    """
    if len(spans) == 1 or all(x == spans[0][1] for _, x in spans):
        return list(spans[0][1])
    shares = [dt / max(pace.time_s(x), 1e-9) for dt, x in spans] if pace.known else [dt for dt, _ in spans]
    total = sum(shares) or 1.0
    count = len(spans[0][1])
    return [sum(w * x[d] for w, (_, x) in zip(shares, spans, strict=True)) / total for d in range(count)]


def tail_of_sum(tail: float, count: int) -> float:
    """What `count` units together take, in typical ones, at the same quantile: spreads add by squares."""
    return count + (tail - 1.0) * sqrt(count)
