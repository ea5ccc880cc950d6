"""A value that moves away slowly: each step is small, and all go the same way.

Page's cumulative sum (Biometrika 1954) on the errors of the forecast `horizon` steps ahead, taken once in
`horizon` steps so that they are nearly independent.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from edgeagent.models.anomaly.check import Sample
from edgeagent.models.anomaly.words import Words
from edgeagent.models.moments import Array

#: In half widths of the 90 % interval, 1.64 standard deviations of a normal error: what is let pass each
#: time, the sum that is an alarm, and what a single error may count, so that one outlier is no drift.
_ALLOWANCE: Final = 0.4
_LIMIT: Final = 4.0
_LARGEST: Final = 1.5


class Drift:
    """Sums of errors upwards and downwards, with an allowance taken off each time."""

    def __init__(self, words: Words, horizon: int) -> None:
        self._words, self._horizon = words, horizon
        self._up: Array = np.zeros(len(words))
        self._down: Array = np.zeros(len(words))
        self._steps: Array = np.zeros(len(words))
        self._at: NDArray[np.int64] = np.zeros((), np.int64)

    def weigh(self, sample: Sample) -> Array:
        """The larger sum over its limit."""
        self._at += 1
        if self._at % self._horizon == 0:
            with np.errstate(invalid="ignore", divide="ignore"):
                error = np.nan_to_num(sample.far_errors / sample.far_margin, posinf=0.0, neginf=0.0)
            error = error.clip(-_LARGEST, _LARGEST)
            self._up = np.maximum(0.0, self._up + error - _ALLOWANCE)
            self._down = np.maximum(0.0, self._down - error - _ALLOWANCE)
            moving = np.maximum(self._up, self._down) > 0
            self._steps = np.where(moving, self._steps + self._horizon, 0.0)
        return np.maximum(self._up, self._down) / _LIMIT

    def why(self, channel: int) -> str:
        """Which way, and for how long."""
        way = "rises" if self._up[channel] > self._down[channel] else "falls"
        time = self._words.time(float(self._steps[channel]))
        return (
            f"{way} steadily against its forecasts, for {time}; check the sensor's calibration and what wears"
        )

    def accept(self, channel: int) -> None:
        """Sum up anew."""
        self._up[channel] = self._down[channel] = self._steps[channel] = 0.0
