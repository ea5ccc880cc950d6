"""Forecasts from a stream of samples: each judges the forecasts before it, and teaches the next ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgeagent.models.conformal import Bands
from edgeagent.models.forecaster import Forecaster, Shape
from edgeagent.models.moments import Array


class Ahead(NamedTuple):
    """What is expected, and half the width of its interval; channels × steps ahead."""

    expected: Array
    margin: Array


class Online:
    """A forecaster, and the intervals that its own errors call for.

    Args:
        miss: the share of values that may lie outside of their intervals.
        predict: what turns a window into a forecast; the forecaster itself, or what serves its weights.

    Attributes:
        recent: the last values, channels × lags; NaN where there was none.
        errors: of the last sample against each forecast of it, channels × steps ahead; NaN if there was none.
    """

    def __init__(
        self, shape: Shape, *, miss: float = 0.1, predict: Callable[[Array], Array] | None = None
    ) -> None:
        self.shape = shape
        self.forecaster = Forecaster(shape)
        self.bands = Bands((shape.channels, shape.horizon), miss=miss)
        self.predict = predict or self.forecaster.forecast
        self.recent: Array = np.full((shape.channels, shape.lags), np.nan)
        self.errors: Array = np.full((shape.channels, shape.horizon), np.nan)
        self._steps = np.arange(shape.horizon)
        self._made: Array = np.full((shape.horizon, shape.channels, shape.horizon), np.nan)
        self._at: NDArray[np.int64] = np.zeros((), np.int64)

    def take(self, sample: Array, teach: Array | None = None) -> bool:
        """Take a value for each channel, NaN if there is none; whether the weights are new.

        Args:
            teach: what to learn from in its place, where that differs: NaN for values that are not normal.
        """
        made = self._made[(self._at - self._steps) % len(self._made), :, self._steps].T
        self.errors = sample[:, None] - made
        taught = sample if teach is None else teach
        self.bands.learn(np.where(np.isfinite(taught)[:, None], self.errors, np.nan))
        self.recent = np.concatenate([self.recent[:, 1:], sample[:, None]], axis=1)
        return self.forecaster.learn(taught[:, None])

    def ahead(self) -> Ahead:
        """What follows the last sample; a gap in the past is bridged by the value before it, or after it."""
        expected = self.predict(bridged(self.recent))
        expected = np.where(np.isfinite(self.recent[:, -1:]), expected, np.nan)
        self._at += 1
        self._made[self._at % len(self._made)] = expected
        return Ahead(expected, self.bands.margin)

    def skip(self, samples: int) -> None:
        """Let time pass of which nothing is known."""
        for _ in range(min(samples, self.shape.lags + self.shape.horizon)):
            self.take(np.full(self.shape.channels, np.nan))
            self._at += 1
            self._made[self._at % len(self._made)] = np.nan


def bridged(values: Array) -> Array:
    """Channels × time, each NaN replaced by the last number before it, else the first after it, else 0."""
    known = np.isfinite(values)
    if known.all():
        return values
    places = np.where(known, np.arange(values.shape[1]), -1)
    before = np.maximum.accumulate(places, axis=1)
    place = np.where(before < 0, known.argmax(axis=1)[:, None], before)
    return np.nan_to_num(np.take_along_axis(values, place, axis=1))
