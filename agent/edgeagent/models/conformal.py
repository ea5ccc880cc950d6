"""Intervals around forecasts that hold what they promise, whatever the errors' distribution.

Split conformal prediction (Vovk et al., "Algorithmic Learning in a Random World", 2005; Lei et al., JASA
2018) takes as half the width of the interval that quantile of the past absolute errors, for each step ahead
by itself. Errors that drift break its assumption, exchangeability; so the level of the quantile itself
follows the misses, as in adaptive conformal inference (Gibbs & Candès, NeurIPS 2021): in the long run the
share of misses comes out as promised on any sequence at all.
"""

from __future__ import annotations

from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from edgeagent.models.moments import Array

#: How fast the level follows the misses; Gibbs & Candès use 0.005.
_GAIN: Final = 0.005

#: Up to where the level may rise: a channel that is easy for long must not take as long to be hard again.
_LEVEL_MAX: Final = 0.5

#: Errors between two sortings: the cost of a sorting, spread over them.
_EVERY: Final = 16


class Bands:
    """Half the widths of intervals, learned from the errors of forecasts as they become known.

    Args:
        shape: channels and steps ahead.
        miss: the share of values that may lie outside.
        memory: how many errors are remembered.
        gain: how fast the level follows; 0 is plain split conformal prediction over a rolling window.

    Attributes:
        margin: half the widths; channels × steps. Infinite where no error is known yet; below a level of 0
            the largest known error is stretched, so that misses always end.
        level: the share of misses asked of the quantile, so that `miss` comes out; channels × steps.
        missed, judged: how many values lay outside of their interval, out of how many; channels × steps.
    """

    derived: ClassVar = ("margin", "_sorted", "_known")

    def __init__(
        self, shape: tuple[int, int], *, miss: float = 0.1, memory: int = 400, gain: float = _GAIN
    ) -> None:
        self.miss, self.gain = miss, gain
        self.level: Array = np.full(shape, miss)
        self.missed: Array = np.zeros(shape)
        self.judged: Array = np.zeros(shape)
        self.errors: Array = np.full((*shape, memory), np.nan)
        self._at: NDArray[np.int64] = np.zeros((), np.int64)
        self.margin: Array = np.full(shape, np.inf)
        self.restore()

    @property
    def ready(self) -> NDArray[np.bool_]:
        """Which channels have errors enough, at every step ahead, for the quantile that is to be shown."""
        enough: NDArray[np.bool_] = (self._known >= 1.0 / self.miss - 1.0).all(axis=1)
        return enough

    def learn(self, errors: Array) -> None:
        """Take the errors of one moment, channels × steps, NaN where a forecast or its value is missing."""
        known = np.isfinite(errors)
        size = np.abs(errors)
        outside = known & (size > self.margin)
        self.missed += outside
        self.judged += known
        risen = self.level + self.gain * np.where(known, self.miss - outside, 0.0)
        self.level = np.minimum(risen, _LEVEL_MAX)
        self.errors[..., int(self._at) % self.errors.shape[2]] = size
        self._at += 1
        if self._at % _EVERY == 0 or self._at < _EVERY:
            self.restore()
        else:
            self.margin = self._margin()

    def restore(self) -> None:
        """Make the rest agree with `errors` and `level`, after these were set from outside."""
        self._sorted = np.sort(self.errors, axis=2)  # NaN go to the end
        self._known = np.isfinite(self.errors).sum(axis=2)
        self.margin = self._margin()

    def _margin(self) -> Array:
        rank = np.ceil((self._known + 1) * (1.0 - self.level)).astype(int)
        last = np.maximum(self._known - 1, 0)
        width = np.take_along_axis(self._sorted, np.clip(rank - 1, 0, last)[..., None], axis=2)[..., 0]
        width = np.where(rank < 1, 0.0, width) * (1.0 + np.maximum(-self.level, 0.0) / self.miss)
        return np.where(self._known == 0, np.inf, width)
