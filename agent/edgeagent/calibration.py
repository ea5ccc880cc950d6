"""Calibration as measured → true points: what a technician reads off two meters side by side."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import pairwise


def calibrate(points: Sequence[tuple[float, float]]) -> Callable[[float], float]:
    """The function through `points`, (measured, true) pairs with rising measured values.

    Linear between neighbours; beyond the ends the outermost segment goes on. Two points correct
    offset and gain, more of them a curve.
    """
    measured = [point[0] for point in points]
    segments = [(x0, y0, (y1 - y0) / (x1 - x0)) for (x0, y0), (x1, y1) in pairwise(points)]
    inner = measured[1:-1]

    def correct(value: float) -> float:
        x0, y0, gain = segments[bisect_right(inner, value)]
        return y0 + gain * (value - x0)

    return correct
