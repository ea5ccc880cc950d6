"""What a machine draws, by domain, operating point, load and temperature.

A domain at the relative clock u = f/f_max and the temperature T, busy for the share b of its cores' time of
which the share s only waits for memory, draws

    e·(λ₀ + λ₁·u³) + b·(α₀ + (1 − s)·(α₁·u + α₂·u³) + s·(β₁·u + β₂·u³)),   e = exp((T − 60 °C) / 30 K)

with all weights ≥ 0: leakage grows with the voltage's cube and exponentially with temperature, and C·f·V²
of a voltage that rises with the clock lies between f and f³ (the same basis as the energy model of Linux, and
as RAPL-guided models since Isci, Martonosi, MICRO 2003). What single operating points draw above or below
that curve is learned as a correction of each. Machines meter all domains together, or some of them alone;
the rest, with fans and losses of the supply, is ``P₀ + κ·(what is metered) + φ·heat``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp
from operator import mul
from typing import Any

from edgeagent.dvfs import memory
from edgeagent.dvfs.places import Places
from edgeagent.dvfs.rls import Fit

#: Features of a domain, as in the module's formula.
FEATURES = 7

#: Before anything is learned: shares of the domain's greatest power (estimates; measured within seconds).
_PRIOR = (0.05, 0.10, 0.05, 0.30, 0.50, 0.20, 0.30)

#: A prior counts as much as this share of one measurement.
_TRUST = 0.02

#: Where so many rows were learned, one in so many more is enough.
_WELL, _SELDOM = 15, 3

#: What is recalled is believed if it agrees with the first measurement within this factor.
_AGREES = 1.5

#: How fast corrections follow, and by how many places they are checked again at each measurement.
_FOLLOW, _REPLAY = 0.3, 1


def warmth(temperature_c: float) -> float:
    """How leakage grows with temperature, relative to 60 °C; e-folds of 20 K to 40 K are usual."""
    return exp((min(max(temperature_c, -20.0), 130.0) - 60.0) / 30.0)


def idle_row(u: float, warm: float) -> tuple[float, ...]:
    """The features that do not depend on load."""
    return (warm, warm * u**3, 0.0, 0.0, 0.0, 0.0, 0.0)


def busy_row(u: float, stalled: float) -> tuple[float, ...]:
    """The features of a domain that is busy all the time, less those of the idle one."""
    cube = u**3
    return (0.0, 0.0, 1.0, (1 - stalled) * u, (1 - stalled) * cube, stalled * u, stalled * cube)


class Draw:
    """What one meter shows: the domains behind it, and a rest.

    Args:
        domains: so many are behind it.
        rest: so many features are not of a domain; the first one is 1.
    """

    def __init__(self, domains: int, rest: int = 1) -> None:
        self._rest = rest
        size = rest + domains * FEATURES
        self._domains = domains
        self._places: Places[tuple[int, ...]] = Places(
            Fit([0.0] * size, [_TRUST] * size, [0.0] * size), keep=40.0, most=96, wear=2e-4
        )
        self.known = False
        self._rows = 0
        self.correction: dict[tuple[int, int], float] = {}
        self._recalled: tuple[list[float], dict[tuple[int, int], float]] = [], {}

    def theta(self, domain: int) -> list[float]:
        """The weights of a domain's features, W."""
        start = self._rest + domain * FEATURES
        return self._places.fit.theta[start : start + FEATURES]

    @property
    def rest(self) -> list[float]:
        """The weights of what is no domain's, W."""
        return self._places.fit.theta[: self._rest]

    def begin(self, rest: Sequence[float], domains_w: float, row: Sequence[float], power_w: float) -> None:
        """Weights before anything is learned: what is recalled, if the first measurement bears it out.

        Args:
            rest: of what is no domain's, by estimate.
            domains_w: what all domains together may draw at most, by estimate.
            row: of the first measurement, `power_w`.
        """
        prior, correction = self._recalled
        if not power_w / _AGREES < sum(map(mul, prior, row)) < power_w * _AGREES:
            prior, correction = list(rest), {}
            for _ in range(self._domains):
                prior += [share * domains_w / self._domains for share in _PRIOR]
        self.known = True
        self.correction = correction
        self._places.fit.believe(prior)
        self._places.fit.theta[:] = prior

    def memory(self) -> dict[str, Any]:
        """What was learned."""
        return {
            "theta_w": memory.rounded(self._places.fit.theta),
            "correction_w": [[*at, *memory.rounded([watts])] for at, watts in self.correction.items()],
        }

    def recall(self, remembered: Mapping[str, Any]) -> None:
        """Begin from what was learned earlier, if it fits."""
        theta = memory.numbers(remembered.get("theta_w"), len(self._places.fit.theta))
        if theta is not None and any(theta):
            self._recalled = theta, memory.corrections(remembered.get("correction_w"), self._domains)

    def expected_w(self, row: Sequence[float], points: Sequence[int]) -> float:
        """What the meter should show."""
        return self._places.fit.value(row) + self._corrections_w(points)

    def learn(self, row: Sequence[float], points: Sequence[int], load: int, power_w: float) -> None:
        """A measurement.

        Args:
            row: features of the rest, then of the domains.
            points: operating point of each domain, -1 for a mixture of several.
            load: tells different loads at the same points apart.
        """
        key = (load, *points)
        self._rows += 1
        well = self._places.count(key) >= _WELL and self._rows % _SELDOM
        if well or min(points, default=0) < 0:
            return
        self._places.learn(key, row, power_w)
        self._places.fit.solve(1)
        for again in (key, *self._places.turn(_REPLAY)):
            self._correct(again)

    def _correct(self, key: tuple[int, ...]) -> None:
        """Share out what the fit leaves over at a place among the operating points that meet there."""
        row, target_w = self._places.mean(key)
        _, *points = key
        error_w = target_w - self.expected_w(row, points)
        share = _FOLLOW / max(1, len(points)) * min(1.0, self._places.count(key) / 5.0)
        for domain, point in enumerate(points):
            at = domain, point
            self.correction[at] = self.correction.get(at, 0.0) + share * error_w

    def _corrections_w(self, points: Sequence[int]) -> float:
        get = self.correction.get
        return sum(get((domain, point), 0.0) for domain, point in enumerate(points))
