"""Quantities that change over a run: ambient temperature, dust, caps."""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple


class Curve(NamedTuple):
    """Straight lines between points; constant before the first and after the last.

    Two points at one time are a step: the later one holds from then on.

    Args:
        times: s, not falling.
        values: one for each time.
    """

    times: tuple[float, ...]
    values: tuple[float, ...]

    def at(self, time_s: float) -> float:
        """The value at a time."""
        after = bisect_right(self.times, time_s)
        if after == 0:
            return self.values[0]
        if after == len(self.times):
            return self.values[-1]
        before_s, after_s = self.times[after - 1], self.times[after]
        low, high = self.values[after - 1], self.values[after]
        if low == high:  # infinite ones too
            return low
        return low + (high - low) * (time_s - before_s) / (after_s - before_s)


def constant(value: float) -> Curve:
    """Always the same."""
    return Curve((0.0,), (value,))


def steps(*points: tuple[float, float]) -> Curve:
    """From each (time, value) on that value; before the first one, its value."""
    times = [time_s for time_s, _ in points]
    values = [value for _, value in points]
    return Curve(
        tuple(time_s for time_s in times for _ in range(2))[1:],
        tuple(value for value in values for _ in range(2))[:-1],
    )
