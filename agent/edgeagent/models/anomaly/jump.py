"""A value that its own past does not explain: a spike, or the first moment of a step."""

from __future__ import annotations

from statistics import NormalDist
from typing import Final

import numpy as np

from edgeagent.models.anomaly.check import Sample
from edgeagent.models.anomaly.tail import Tail
from edgeagent.models.anomaly.words import Words
from edgeagent.models.moments import Array

#: Values before the first alarm: what happens once in minutes must have happened.
_LEAST: Final = 600


class Jump:
    """The error of the forecast one step ahead, in half widths of its interval, against its usual tail."""

    def __init__(self, words: Words, risk: float) -> None:
        self._words = words
        self._tail = Tail(len(words), risk=risk, floor=_normal_bound(risk), least=_LEAST)
        self._grain: Array = np.full(len(words), np.nan)
        self._last: Array = np.full(len(words), np.nan)
        self._sample: Sample | None = None

    @property
    def ready(self) -> bool:
        """Whether there is a bound for any channel."""
        return bool(np.isfinite(self._tail.bound).any())

    def weigh(self, sample: Sample) -> Array:
        """The error over its bound."""
        self._sample = sample
        self._learn_grain(sample.values)
        width = np.fmax(sample.margin, self._grain)
        with np.errstate(invalid="ignore", divide="ignore"):
            size = np.abs(sample.values - sample.expected) / width
        ratio = np.nan_to_num(size / self._tail.bound)
        self._tail.learn(np.where(sample.normal, np.minimum(size, self._tail.bound), np.nan))
        return ratio

    def why(self, channel: int) -> str:
        """From where to where."""
        assert self._sample is not None
        value, expected, margin = (
            self._words.value(channel, each[channel])
            for each in (self._sample.values, self._sample.expected, self._sample.margin)
        )
        return (
            f"jumped to {value} where {expected} ± {margin} was expected; "
            "check the sensor, or what changed just then"
        )

    def accept(self, channel: int) -> None:
        """One jump makes no rule: nothing is forgotten."""

    def _learn_grain(self, values: Array) -> None:
        """The smallest change ever: a sensor's resolution, below which no interval means anything."""
        change = np.abs(values - self._last)
        self._grain = np.fmin(self._grain, np.where(change > 0, change, np.nan))
        self._last = np.where(np.isfinite(values), values, self._last)


def _normal_bound(risk: float) -> float:
    """What a normal error passes at that risk, in half widths of its 90 % interval; most errors are worse."""
    normal = NormalDist()
    return normal.inv_cdf(1.0 - risk / 2.0) / normal.inv_cdf(0.95)
