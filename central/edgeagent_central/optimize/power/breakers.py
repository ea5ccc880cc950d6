"""What a breaker allows from its heat: its rating when it is cool, less while it must cool down."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgeagent_central.optimize.power.site import Thermal
from edgeagent_central.optimize.power.tree import Array

#: θ that a breaker is kept below, as a share of what it trips at: meters and models err.
_KEPT = 0.8


def warmed(breaker: Thermal, heat: float, power_w: float, dt_s: float) -> float:
    """θ after `dt_s` at `power_w`, exactly for constant power."""
    settles = (power_w / breaker.rated_w) ** 2
    return settles + (heat - settles) * float(np.exp(-dt_s / breaker.tau_s))


def allowed_w(breaker: Thermal, heat: float, over_s: float) -> float:
    """The power that brings θ back below what it is kept at within `over_s`; never above the rating."""
    kept, decay = _KEPT * breaker.trip, float(np.exp(-over_s / breaker.tau_s))
    square = (kept - heat * decay) / (1.0 - decay)
    return breaker.rated_w * float(np.sqrt(np.clip(square, 0.0, 1.0)))


def tightened(
    limit_w: Array, breakers: Mapping[int, Thermal], heat: Mapping[int, float], over_s: float
) -> Array:
    """`limit_w`, shape (d,), with what warm breakers allow."""
    held = limit_w.copy()
    for domain, breaker in breakers.items():
        held[domain] = min(held[domain], allowed_w(breaker, heat.get(domain, 0.0), over_s))
    return held
