"""Mean and variance of channels, as they come."""

from __future__ import annotations

from typing import Final

import numpy as np

from edgeagent.models.moments import Array

#: Values after which the units of `of` stand for good: what is fitted to them must not be moved afterwards.
_SETTLED: Final = 100


class Scale:
    """Running moments of each channel, over all values at first and then over `memory`.

    Attributes:
        variance: channels.
    """

    def __init__(self, channels: int, memory: float) -> None:
        self._memory = memory
        self._count: Array = np.zeros(channels)
        self._mean: Array = np.zeros(channels)
        self.variance: Array = np.zeros(channels)
        self._origin: Array = np.full(channels, np.nan)
        self._unit: Array = np.ones(channels)

    def learn(self, values: Array) -> None:
        """Take a value of each channel, NaN if there is none (Welford, Technometrics 1962)."""
        known = np.isfinite(values)
        self._count += known
        pace = np.clip(self._count, 1.0, self._memory)
        off = np.where(known, values - self._mean, 0.0)
        self._mean += off / pace
        self.variance += np.where(known, off * (values - self._mean) - self.variance, 0.0) / pace
        settled = self._count == _SETTLED
        if settled.any():
            self._origin = np.where(settled, self._mean, self._origin)
            self._unit = np.where(settled & (self.variance > 0), np.sqrt(self.variance), self._unit)

    def of(self, values: Array) -> Array:
        """Values, … × channels, in the units that were settled; NaN until then."""
        scaled: Array = (values - self._origin) / self._unit
        return scaled
