"""How Linux turns a wanted frequency into an operating point (its CPUFREQ_RELATION_H, _L and _C)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence


def at_most(opps_hz: Sequence[float], wanted_hz: float) -> float:
    """The highest point that is not above `wanted_hz`, else the lowest there is (relation H)."""
    return opps_hz[max(bisect_right(opps_hz, wanted_hz) - 1, 0)]


def at_least(opps_hz: Sequence[float], wanted_hz: float) -> float:
    """The lowest point that is not below `wanted_hz`, else the highest there is (relation L)."""
    return opps_hz[min(bisect_left(opps_hz, wanted_hz), len(opps_hz) - 1)]


def closest(opps_hz: Sequence[float], wanted_hz: float) -> float:
    """The nearest point; of two equally near ones the lower (relation C)."""
    below, above = at_most(opps_hz, wanted_hz), at_least(opps_hz, wanted_hz)
    return above if above - wanted_hz < wanted_hz - below else below


def steps_down(opps_hz: Sequence[float], steps: int) -> float:
    """The ceiling in a cooling state: state 0 is the highest point, each further one the next below."""
    return opps_hz[max(len(opps_hz) - 1 - steps, 0)]
