"""What the inputs were: samples at even distances out of readings as they came."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections.abc import Sequence

#: So many readings are kept for each step, at most: a sample is as near to its time as that allows.
_PER_STEP = 8

#: Old ones are let go in bulk.
_SPARE = 64


class History:
    """Rows of readings, and windows over them.

    A sample of a window is the row nearest to its time: half a step later at most, and a step and a half, or
    `gap_s`, earlier. Where there is none, the sample is NaN.

    Args:
        window: samples.
        step_s: from one sample to the next.
        gap_s: a gap so long is bridged by the row before it; one missed reading always is.
        channels: values of a row.
    """

    def __init__(self, window: int, step_s: float, gap_s: float, channels: int) -> None:
        self._window, self._step_s = window, step_s
        self._late_s, self._reach_s = step_s / 2, max(1.5 * step_s, gap_s)
        self._span_s = (window - 1) * step_s + step_s + self._reach_s
        self._missing = array("d", [math.nan] * channels)
        self._times: list[float] = []
        self._rows: list[array[float]] = []

    def add(self, at_s: float, row: Sequence[float]) -> None:
        """Take the values of one moment, NaN where there is none."""
        times, rows = self._times, self._rows
        if len(times) > 1 and times[-1] - times[-2] < self._step_s / _PER_STEP:
            del times[-1], rows[-1]
        times.append(at_s)
        rows.append(array("d", row))
        old = bisect_right(times, at_s - self._span_s)
        if old > _SPARE:
            del times[:old], rows[:old]

    def window(self, at_s: float) -> array[float]:
        """The window that ends at `at_s`: sample by sample, the newest last; NaN where there is none."""
        samples = array("d")
        for back in range(self._window - 1, -1, -1):
            samples.extend(self._sample(at_s - back * self._step_s))
        return samples

    def _sample(self, at_s: float) -> array[float]:
        place = bisect_right(self._times, at_s)
        before_s = at_s - self._times[place - 1] if place else math.inf
        after_s = self._times[place] - at_s if place < len(self._times) else math.inf
        if after_s < before_s and after_s <= self._late_s:
            return self._rows[place]
        return self._rows[place - 1] if before_s <= self._reach_s else self._missing
