"""How warm a domain gets: a thermal impedance with fixed time constants.

Any passive thermal path from power to temperature is a sum of first-order lags with resistances ≥ 0 (Foster's
network; Székely, Microelectronics Journal 28, 1997; JESD51-14). With the time constants fixed on a
logarithmic grid the temperature is linear in what is unknown,

    T = T_ambient + Σ R_i·x_i,   τ_i·dx_i/dt = P_i − x_i,

so that least squares under R_i ≥ 0 learns it. The fast lags (die and heat sink) follow the domain's own
power, the slow ones (case, room) the whole machine's: two nodes with a spread of time constants each. A
forecast starts from the temperature that is measured now, so that of ambient and dust only changes count.
"""

from __future__ import annotations

from collections import deque
from functools import lru_cache
from math import exp, sqrt
from operator import mul
from typing import NamedTuple

from edgeagent.dvfs.rls import Fit

#: Time constants, s. 0 is what settles within a tick: the die above its heat sink.
OWN_S = (0.0, 1.5, 5.0, 20.0)
WHOLE_S = (10.0, 40.0, 160.0, 600.0)

#: What was learned longer ago than this counts little; dust gathers more slowly.
_MEMORY_S = 300.0

#: What the first watts heat, by estimate: each lag by so much, above such surroundings.
_RISE_K, _AROUND_C = 5.0, 25.0

#: Forecasts are held against what came after so long; that the forecast errs by so much is always believed.
_AHEAD_S, _LEAST_K, _MOST_K = 5.0, 0.3, 2.0

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
        size = len(self._taus_s) + 1
        self._fit = Fit([0.0] * size, [1e-3] * size, [0.0] * (size - 1) + [-60.0])
        self._row: list[float] = []
        self.now_c: float | None = None
        self.age_s = 0.0
        self._slips: deque[tuple[float, float]] = deque()
        self._slip2 = 0.25
        self._clock_s = self._learned_s = 0.0

    @property
    def margin_k(self) -> float:
        """What forecasts err by, and what may have happened since the sensor fell silent."""
        return min(_LEAST_K + 1.5 * sqrt(self._slip2), _MOST_K) + _SILENCE_K_PER_S * self.age_s

    def follow(self, own_w: float, whole_w: float, temperature_c: float | None, elapsed_s: float) -> None:
        """What was drawn since the last call, and the temperature at its end."""
        if not self._row:
            self._begin(own_w, whole_w)
        keeps, row = _keeps(self._taus_s, round(elapsed_s, 3)), self._row
        for i, keep in enumerate(keeps):
            power_w = own_w if i < self._owns else whole_w
            row[i] = power_w + (row[i] - power_w) * keep
        self._clock_s += elapsed_s
        if temperature_c is not None:
            self.now_c, self.age_s = temperature_c, 0.0
        elif self.now_c is not None:  # dead reckoning until the sensor is back
            self.age_s += elapsed_s
            self.now_c = max(self.now_c, self._fit.value(row))

    def learn(self) -> None:
        """Bring the weights up to the last temperature; not needed at every tick."""
        since_s, self._learned_s = self._clock_s - self._learned_s, self._clock_s
        if self.now_c is None or self.age_s > 0 or since_s <= 0:
            return
        error_k = self.now_c - self._fit.value(self._row)
        self._slips.append((self._clock_s, error_k))
        if self._slips[0][0] <= self._clock_s - _AHEAD_S:
            slip_k = error_k - self._slips.popleft()[1]
            self._slip2 += min(1.0, since_s / 20.0) * (min(slip_k * slip_k, 9.0) - self._slip2)
        self._fit.forget(exp(-since_s / _MEMORY_S))
        self._fit.add(self._row, self.now_c, since_s)
        self._fit.solve(1)

    def after(self, seconds: float) -> Reach:
        """The temperature after so long at constant power."""
        reaches = [r * g for r, g in zip(self._fit.theta, _gains(self._taus_s, seconds), strict=False)]
        own, whole = sum(reaches[: self._owns]), sum(reaches[self._owns :])
        return Reach((self.now_c or 0.0) - sum(map(mul, reaches, self._row)), own, whole)

    def worst_c(self, own_w: float, whole_w: float) -> float:
        """What it cannot pass within any time, whatever has been before."""
        theta = self._fit.theta
        return (self.now_c or 0.0) + own_w * sum(theta[: self._owns]) + whole_w * sum(theta[self._owns : -1])

    def _begin(self, own_w: float, whole_w: float) -> None:
        count = len(self._taus_s)
        self._row = [own_w if i < self._owns else whole_w for i in range(count)] + [1.0]
        prior = [_RISE_K / max(whole_w, 1e-3)] * count + [_AROUND_C]
        self._fit.believe(prior)
        self._fit.theta[:] = prior


@lru_cache(maxsize=64)
def _gains(taus_s: tuple[float, ...], seconds: float) -> tuple[float, ...]:
    """How far each lag has come after so long."""
    return tuple(1.0 - exp(-seconds / tau_s) if tau_s else 1.0 for tau_s in taus_s)


@lru_cache(maxsize=256)
def _keeps(taus_s: tuple[float, ...], seconds: float) -> tuple[float, ...]:
    """What each lag keeps of where it was."""
    return tuple(exp(-seconds / tau_s) if tau_s else 0.0 for tau_s in taus_s)
