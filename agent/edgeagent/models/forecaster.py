"""A linear forecast of each channel from its own past, fitted where it runs and refitted as it goes."""

from __future__ import annotations

import math
from typing import ClassVar, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgeagent.models.moments import Array, Moments, loss, ridge

#: Tried against each other, always; in units of the mean eigenvalue.
_STRENGTHS: Final = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)

#: What a block's verdict counts after the next: what failed on few windows may do well on many.
_JUDGED: Final = 0.8


class Shape(NamedTuple):
    """What a forecaster looks at.

    Args:
        lags: values of the past that a forecast is made of.
        horizon: values of the future that it gives.
        every: values after which it is refitted.
        memory: values after which what was learned counts 1/e; infinite to forget nothing.
    """

    channels: int
    lags: int
    horizon: int
    every: int
    memory: float = math.inf


class Forecaster:
    """Ridge regression on windows, from sums that are updated by blocks and forget.

    Every new block first judges what was learned before it: weights of several strengths, a channel's own or
    those of all channels together, and none at all (the last value goes on). So the choice is made on
    values that nothing was fitted to, and a forecaster that knows nothing yet says the last value.

    Attributes:
        weights: channels × lags × horizon.
        fits: how often it was refitted.
    """

    derived: ClassVar = ("_candidates",)
    grows: ClassVar = ("past",)

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        channels, lags, horizon = shape[:3]
        self.weights: Array = np.zeros((channels, lags, horizon))
        self.fits: NDArray[np.int64] = np.zeros((), np.int64)
        self.moments = Moments.none(channels, lags, horizon)
        self.losses: Array = np.zeros((2 * len(_STRENGTHS) + 1, channels))
        self.past: Array = np.empty((channels, 0))
        self._candidates: Array | None = None

    def learn(self, values: Array) -> bool:
        """Take values, channels × time, NaN where there is none; whether the weights are new."""
        self.past = np.concatenate([self.past, values], axis=1)
        before = int(self.fits)
        reach = self.shape.lags + self.shape.horizon - 1
        while self.past.shape[1] >= reach + self.shape.every:
            self._refit(Moments.of(self.past[:, : reach + self.shape.every], *self.shape[1:3]))
            self.past = self.past[:, self.shape.every :]
        return int(self.fits) > before

    def forecast(self, window: Array) -> Array:
        """What follows a window, channels × lags; channels × horizon."""
        last = window[:, -1:]
        ahead: Array = last + ((window - last)[:, None, :] @ self.weights)[:, 0, :]
        return ahead

    def _refit(self, block: Moments) -> None:
        fade = math.exp(-self.shape.every / self.shape.memory)
        if self._candidates is None:
            self._candidates = self._fitted()
        self.losses = _JUDGED * self.losses + loss(block, self._candidates).sum(axis=2)
        self.moments = self.moments.followed_by(block, fade)
        self._candidates = self._fitted()
        best = self.losses.argmin(axis=0)
        self.weights = self._candidates[best, np.arange(self.shape.channels)]
        self.fits += 1

    def _fitted(self) -> Array:
        """All weights to choose from; candidates × channels × lags × horizon."""
        own = ridge(self.moments, _STRENGTHS)
        shared = np.broadcast_to(ridge(self.moments.pooled(), _STRENGTHS), own.shape)
        return np.concatenate([np.zeros((1, *own.shape[1:])), shared, own])
