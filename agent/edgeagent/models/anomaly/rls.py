"""Recursive least squares, many at once: what batch least squares would give, a sample at a time."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edgeagent.models.moments import Array

#: How little is known at first, as a variance: the weights begin at 0 with this much freedom.
_FREEDOM = 1e4


class Rls:
    """Linear fits with exponential forgetting (Ljung, "System Identification", 1999, 11.2).

    Args:
        memory: samples after which one counts 1/e; infinite to forget nothing.

    Attributes:
        weights: fits × features.
    """

    def __init__(self, fits: int, features: int, memory: float = math.inf) -> None:
        self._keep = math.exp(-1.0 / memory)
        self.weights: Array = np.zeros((fits, features))
        self._spread: Array = np.tile(_FREEDOM * np.eye(features), (fits, 1, 1))

    def expect(self, features: Array) -> Array:
        """What goes with features, fits × features."""
        expected: Array = np.einsum("fk,fk->f", features, self.weights)
        return expected

    def learn(self, features: Array, error: Array, which: NDArray[np.bool_]) -> None:
        """Take the errors of `expect` at `features`, for the fits in `which`."""
        gain = np.einsum("fjk,fk->fj", self._spread, features)
        room = self._keep + np.einsum("fk,fk->f", features, gain)
        gain_over = gain / room[:, None]
        self.weights += gain_over * np.where(which, error, 0.0)[:, None]
        spread = (self._spread - gain_over[:, :, None] * gain[:, None, :]) / self._keep
        # What nothing excites would grow without end, and then follow the first noise that comes.
        free = np.trace(spread, axis1=1, axis2=2) < _FREEDOM * features.shape[1] * 1.01
        self._spread = np.where((which & free)[:, None, None], spread, self._spread)

    def forget(self, fit: int) -> None:
        """Begin anew with one fit."""
        self.weights[fit] = 0.0
        self._spread[fit] = _FREEDOM * np.eye(self.weights.shape[1])
