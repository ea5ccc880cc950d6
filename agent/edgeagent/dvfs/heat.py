"""How warm a domain gets: a thermal impedance with fixed time constants.

Any passive thermal path from power to temperature is a sum of first-order lags with resistances ≥ 0 (Foster's
network; Székely, Microelectronics Journal 28, 1997; JESD51-14). With the time constants fixed on a
logarithmic grid the temperature is linear in what is unknown,

    T = T_ambient + Σ R_i·x_i,   τ_i·dx_i/dt = P_i − x_i,

so that least squares under R_i ≥ 0 learns it. The fast lags (die and heat sink) follow the domain's own
power, the slow ones (case, room) the whole machine's: two nodes with a spread of time constants each.

The surroundings drift, and power drifts with them, since leakage grows with heat: taken for cause and effect,
that would make resistances of anything. So T and all x_i go through the same high-pass filter first, twice:
a steady drift leaves nothing, and what is left of T is the power's doing. The drift itself is what the
weights do not explain behind the first filter. A forecast starts from the temperature that is measured now
and goes on with the drift.
"""

from __future__ import annotations

from collections import deque
from functools import lru_cache
from math import exp, sqrt
from operator import mul, sub
from typing import Any, NamedTuple

from edgeagent.dvfs.memory import numbers, rounded
from edgeagent.dvfs.rls import Fit

#: Time constants, s. 0 is what settles within a tick: the die above its heat sink.
OWN_S = (0.0, 1.5, 5.0, 20.0)
WHOLE_S = (10.0, 40.0, 160.0)

#: Time constant of the high-pass filter, and the steepest drift that is believed.
_PASS_S, _DRIFT_K_PER_S = 20.0, 0.5

#: What was learned longer ago than this counts little; dust gathers more slowly.
_MEMORY_S = 300.0

#: What the first watts heat, by estimate: each lag by so much, give or take as much. A second's temperature
#: teaches with these variances (K²): the slow lags look like drift, so that they hardly leave the estimate.
_RISE_K, _OWN_K2, _WHOLE_K2 = 5.0, 0.3, 10.0

#: What is recalled must not say that it is now so much above its surroundings.
_RISEN_K = 100.0

#: Forecasts are held against what came after so long; that they err by the least is always believed.
_AHEAD_S, _LEAST_K, _MOST_K = 5.0, 0.15, 2.0

#: How fast trust in a temperature goes while its sensor is silent, K/s.
_SILENCE_K_PER_S = 0.2


class Reach(NamedTuple):
    """A temperature after some time at constant power: ``still_c + own·P_own + whole·P_whole``.

    Args:
        own, whole: K/W.
    """

    still_c: float
    own: float
    whole: float

    def at(self, own_w: float, whole_w: float) -> float:
        """The temperature, °C."""
        return self.still_c + self.own * own_w + self.whole * whole_w


class Heat:
    """The thermal path to one sensor.

    Args:
        own: whether it belongs to a domain, whose own power heats it most.

    Attributes:
        now_c: the temperature; None before the first one. While the sensor is silent, what is believed.
        age_s: for how long the sensor has been silent.
    """

    def __init__(self, own: bool = True) -> None:
        self._taus_s = (*(OWN_S if own else ()), *WHOLE_S)
        self._owns = len(self._taus_s) - len(WHOLE_S)
        self._fit = Fit([0.0], [1.0], [0.0])
        self._lags: list[float] = []
        self._high: list[HighPass] = []
        self._high_c = HighPass(0.0)
        self._drift_k = 0.0
        self.now_c: float | None = None
        self.age_s = 0.0
        self._slips: deque[tuple[float, float]] = deque()
        self._slip2, self._unrest2 = 0.25, 0.0
        self._time_s = self._learned_s = 0.0
        self._recalled: list[float] | None = None

    @property
    def margin_k(self) -> float:
        """What forecasts err by, how the power's unrest shows, and what a silent sensor may have missed."""
        unrest_k = self._fit.theta[0] * sqrt(self._unrest2) if self._owns else 0.0
        known_k = min(_LEAST_K + 1.5 * sqrt(self._slip2) + 2.5 * unrest_k, _MOST_K)
        return known_k + _SILENCE_K_PER_S * self.age_s

    @property
    def drift_k_per_s(self) -> float:
        """How fast the surroundings grow warmer."""
        return min(max(self._drift_k / _PASS_S, -_DRIFT_K_PER_S), _DRIFT_K_PER_S)

    def memory(self) -> list[float]:
        """The resistances, K/W."""
        return rounded(self._fit.theta)

    def recall(self, remembered: Any) -> None:
        """Begin from resistances learned earlier, if they can be such."""
        self._recalled = numbers(remembered, len(self._taus_s))

    def follow(self, own_w: float, whole_w: float, temperature_c: float | None, now_s: float) -> None:
        """What was drawn since the last call, and the temperature at its end."""
        if not self._lags:
            self._begin(own_w, whole_w)
        elapsed_s, self._time_s = now_s - self._time_s, now_s
        lags, before = self._lags, self._lags[:]
        if self._owns:
            unrest_w = min(abs(own_w - lags[1]), 0.1 * own_w)
            self._unrest2 += min(1.0, elapsed_s / 10.0) * (unrest_w * unrest_w - self._unrest2)
        gain = 1.0 - exp(-elapsed_s / _PASS_S)
        for i, keep in enumerate(_keeps(self._taus_s, round(elapsed_s, 3))):
            power_w = own_w if i < self._owns else whole_w
            lags[i] = x = power_w + (lags[i] - power_w) * keep
            self._high[i].move(x, gain)
        if temperature_c is not None:
            if self.now_c is None:
                self._high_c = HighPass(temperature_c)
            self.now_c, self.age_s = temperature_c, 0.0
        elif self.now_c is not None:  # dead reckoning until the sensor is back
            self.age_s += elapsed_s
            moved_k = sum(map(mul, self._fit.theta, map(sub, lags, before)))
            self.now_c += moved_k + max(0.0, self.drift_k_per_s) * elapsed_s
        if self.now_c is not None:
            self._high_c.move(self.now_c, gain)

    def see(self, temperature_c: float | None, now_s: float) -> None:
        """The first temperature, before any power is known."""
        self._time_s = self._learned_s = now_s
        if temperature_c is not None:
            self.now_c, self._high_c = temperature_c, HighPass(temperature_c)

    def learn(self) -> None:
        """Bring the weights up to the last temperature; not needed at every tick."""
        since_s, self._learned_s = self._time_s - self._learned_s, self._time_s
        if self.now_c is None or self.age_s > 0 or since_s <= 0:
            return
        row = [high.twice for high in self._high]
        error_k = self._high_c.twice - self._fit.value(row)
        self._slips.append((self._time_s, error_k))
        if self._slips[0][0] <= self._time_s - _AHEAD_S:
            slip_k = error_k - self._slips.popleft()[1]
            self._slip2 += min(1.0, since_s / 20.0) * (min(slip_k * slip_k, 9.0) - self._slip2)
        self._fit.forget(exp(-since_s / _MEMORY_S))
        self._fit.add(row, self._high_c.twice, since_s)
        self._fit.solve(1)
        unexplained_k = self._high_c.once - self._fit.value([high.once for high in self._high])
        self._drift_k += min(1.0, since_s / 5.0) * (unexplained_k - self._drift_k)

    def after(self, seconds: float) -> Reach:
        """The temperature after so long at constant power."""
        reaches = [r * g for r, g in zip(self._fit.theta, _gains(self._taus_s, seconds), strict=False)]
        own, whole = sum(reaches[: self._owns]), sum(reaches[self._owns :])
        now_c = (self.now_c or 0.0) + self.drift_k_per_s * seconds
        return Reach(now_c - sum(map(mul, reaches, self._lags)), own, whole)

    def worst_c(self, own_w: float, whole_w: float, seconds: float) -> float:
        """What it cannot pass within some time, whatever has been before."""
        theta = self._fit.theta
        rise_k = own_w * sum(theta[: self._owns]) + whole_w * sum(theta[self._owns :])
        return (self.now_c or 0.0) + rise_k + max(0.0, self.drift_k_per_s) * seconds

    def _begin(self, own_w: float, whole_w: float) -> None:
        count = len(self._taus_s)
        self._lags = [own_w if i < self._owns else whole_w for i in range(count)]
        self._high = [HighPass(x) for x in self._lags]
        prior = _RISE_K / max(whole_w, 1e-3)
        trusts = [_OWN_K2 / prior**2] * self._owns + [_WHOLE_K2 / prior**2] * len(WHOLE_S)
        recalled = self._recalled or []
        most_k = sum(r * power_w for r, power_w in zip(recalled, self._lags, strict=False))
        theta = recalled if 0.0 < most_k < _RISEN_K else [prior] * count
        self._fit = Fit(theta, trusts, [0.0] * count)


class HighPass:
    """What of a value is faster than `_PASS_S`.

    Attributes:
        once, twice: behind one filter, and behind another one after it.
    """

    def __init__(self, value: float) -> None:
        self.once = self.twice = 0.0
        self._slow, self._slower = value, 0.0

    def move(self, value: float, gain: float) -> None:
        """The value now; `gain` is the share of the way that the filters go."""
        self._slow += gain * (value - self._slow)
        self.once = value - self._slow
        self._slower += gain * (self.once - self._slower)
        self.twice = self.once - self._slower


@lru_cache(maxsize=64)
def _gains(taus_s: tuple[float, ...], seconds: float) -> tuple[float, ...]:
    """How far each lag has come after so long."""
    return tuple(1.0 - exp(-seconds / tau_s) if tau_s else 1.0 for tau_s in taus_s)


@lru_cache(maxsize=256)
def _keeps(taus_s: tuple[float, ...], seconds: float) -> tuple[float, ...]:
    """What each lag keeps of where it was."""
    return tuple(exp(-seconds / tau_s) if tau_s else 0.0 for tau_s in taus_s)
