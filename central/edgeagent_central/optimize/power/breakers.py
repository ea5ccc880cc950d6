"""What breakers allow from their heat: their rating when they are cool, less while they must cool down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from edgeagent_central.optimize.power.site import Thermal
from edgeagent_central.optimize.power.tree import Array, Indices

#: θ that a breaker is kept below, as a share of what it trips at: meters and models err.
_KEPT: Final = 0.8


class Bimetals:
    """The breakers of a site, as arrays of shape (b,).

    Attributes:
        domains: where they are.
    """

    def __init__(self, breakers: Mapping[int, Thermal]) -> None:
        self.domains: Indices = np.array(list(breakers), np.intp)
        self._rated_w = np.array([breaker.rated_w for breaker in breakers.values()], float)
        self._tau_s = np.array([breaker.tau_s for breaker in breakers.values()], float)
        self._trip = np.array([breaker.trip for breaker in breakers.values()], float)

    def warmed(self, heat: Array, power_w: Array, dt_s: float) -> Array:
        """θ after `dt_s`, exactly for constant power; `power_w` of shape (d,)."""
        settles = (power_w[self.domains] / self._rated_w) ** 2
        after: Array = settles + (heat - settles) * np.exp(-dt_s / self._tau_s)
        return after

    def tightened(self, limit_w: Array, heat: Array, over_s: float) -> Array:
        """`limit_w`, shape (d,), with what brings each θ below what it is kept at within `over_s`."""
        decay = np.exp(-over_s / self._tau_s)
        square = (_KEPT * self._trip - heat * decay) / (1.0 - decay)
        held_w = limit_w.copy()
        allowed_w = self._rated_w * np.sqrt(np.clip(square, 0.0, 1.0))
        held_w[self.domains] = np.minimum(held_w[self.domains], allowed_w)
        return held_w
