"""How warm a domain gets: a thermal impedance with fixed time constants.

Any passive thermal path from power to temperature is a sum of first-order lags with resistances ≥ 0 (Foster's
network; Székely, Microelectronics Journal 28, 1997; JESD51-14). With the time constants fixed on a
logarithmic grid the temperature is linear in what is unknown,

    T = T_ambient + Σ R_i·x_i,   τ_i·dx_i/dt = P_i − x_i,

so that least squares under R_i ≥ 0 learns it. The fast lags (die and heat sink) follow the domain's own power,
the slow ones (case, room) the whole machine's: two nodes with a spread of time constants each. A
forecast starts from the temperature that is measured now, so ambient and dust count only by how they change.
"""

from __future__ import annotations

from collections import deque
from math import exp, sqrt
from typing import NamedTuple

from edgeagent.dvfs.rls import Fit

#: Time constants, s. 0 is what settles within a tick: the die above its heat sink.
OWN_S = (0.0, 1.5, 5.0, 20.0)
WHOLE_S = (10.0, 40.0, 160.0, 600.0)

#: What was learned longer ago than this counts little; dust gathers more slowly.
_MEMORY_S = 300.0

#: Forecasts are held against what came after so long; that the forecast errs by so much is always believed.
_AHEAD_S, _LEAST_K = 5.0, 0.3

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
    """

    def __init__(self, own: bool = True) -> None:
        self.own_s = OWN_S if own else ()
        size = len(self.own_s) + len(WHOLE_S) + 1
        self._fit = Fit([0.0] * size, [1e-3] * size, [0.0] * (size - 1) + [-60.0])
        self._own: list[float] = []
        self._whole: list[float] = []
        self.now_c: float | None = None
        self.age_s = 0.0
        self._slips: deque[tuple[float, float]] = deque()
        self._slip2 = 0.25
        self._clock_s = 0.0

    @property
    def resistance_k_per_w(self) -> float:
        """From the domain's and the machine's power to the steady state, together."""
        return sum(self._fit.theta[:-1])

    def learn(self, own_w: float, whole_w: float, temperature_c: float | None, elapsed_s: float) -> None:
        """What was drawn since the last call, and the temperature at its end."""
        if not self._whole:
            self._begin(own_w, whole_w)
        self._own = _lag(self._own, self.own_s, own_w, elapsed_s)
        self._whole = _lag(self._whole, WHOLE_S, whole_w, elapsed_s)
        if temperature_c is None:
            self.age_s += elapsed_s
            if self.now_c is not None:  # dead reckoning until the sensor is back
                self.now_c = max(self.now_c, self._fit.value(self._row()))
            return
        self.age_s = 0.0
        self.now_c = temperature_c
        self._check(temperature_c, elapsed_s)
        self._fit.forget(exp(-elapsed_s / _MEMORY_S))
        self._fit.add(self._row(), temperature_c, elapsed_s)
        self._fit.solve(1)

    @property
    def margin_k(self) -> float:
        """What forecasts err by, and what may have happened since the sensor fell silent."""
        return min(_LEAST_K + 1.5 * sqrt(self._slip2), 2.0) + _SILENCE_K_PER_S * self.age_s

    def after(self, seconds: float) -> Reach:
        """The temperature after so long at constant power.

        Before anything is known of it, it may rise by what the prior says: see `_begin`.
        """
        own_g = [1.0 - exp(-seconds / tau_s) if tau_s else 1.0 for tau_s in self.own_s]
        whole_g = [1.0 - exp(-seconds / tau_s) for tau_s in WHOLE_S]
        theta = self._fit.theta
        count = len(self.own_s)
        own = [r * g for r, g in zip(theta, own_g, strict=False)]
        whole = [r * g for r, g in zip(theta[count:-1], whole_g, strict=True)]
        gone = sum(r * x for r, x in zip(own, self._own, strict=True))
        gone += sum(r * x for r, x in zip(whole, self._whole, strict=True))
        return Reach((self.now_c or 0.0) - gone, sum(own), sum(whole))

    def _begin(self, own_w: float, whole_w: float) -> None:
        self._own = [own_w for _ in self.own_s]
        self._whole = [whole_w for _ in WHOLE_S]
        whole_w = max(whole_w, 1e-3)
        prior = [5.0 / whole_w for _ in self.own_s] + [5.0 / whole_w for _ in WHOLE_S] + [25.0]
        self._fit.believe(prior)
        self._fit.theta[:] = prior

    def _row(self) -> list[float]:
        return [*self._own, *self._whole, 1.0]

    def _check(self, temperature_c: float, elapsed_s: float) -> None:
        """Hold what the weights say of the last seconds against what came."""
        self._clock_s += elapsed_s
        error_k = temperature_c - self._fit.value(self._row())
        self._slips.append((self._clock_s, error_k))
        if self._slips[0][0] <= self._clock_s - _AHEAD_S:
            slip_k = error_k - self._slips.popleft()[1]
            self._slip2 += min(1.0, elapsed_s / 20.0) * (min(slip_k * slip_k, 9.0) - self._slip2)


def _lag(states: list[float], taus_s: tuple[float, ...], power_w: float, elapsed_s: float) -> list[float]:
    return [
        power_w + (x - power_w) * exp(-elapsed_s / tau_s) if tau_s else power_w
        for x, tau_s in zip(states, taus_s, strict=True)
    ]
