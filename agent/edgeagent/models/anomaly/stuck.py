"""A sensor that gives the same value on and on, though it never did so before."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from edgeagent.models.anomaly.check import Sample
from edgeagent.models.anomaly.words import Words
from edgeagent.models.moments import Array

#: Runs come in groups, when a machine idles: so many times the longest one is still no alarm.
_CLEARANCE: Final = 3.0

#: Changes that must have been seen before their absence means anything.
_LEAST: Final = 200

#: Repeated values become repeated for less reason than chance: the share counts as at least this.
_SHARE_LEAST: Final = 0.3


class Stuck:
    """The length of the present run of equal values, against chance and against the longest one so far."""

    def __init__(self, words: Words, risk: float) -> None:
        self._words, self._risk = words, risk
        self._last: Array = np.full(len(words), np.nan)
        self._run: Array = np.zeros(len(words))
        self._longest: Array = np.zeros(len(words))
        self._same: Array = np.zeros(len(words))
        self._changes: Array = np.zeros(len(words))

    def weigh(self, sample: Sample) -> Array:
        """The run over the length that is too long."""
        known = np.isfinite(sample.values)
        same = known & (sample.values == self._last)
        changed = known & ~same & np.isfinite(self._last)
        learns = changed & sample.normal
        self._longest = np.where(learns, np.maximum(self._longest, self._run), self._longest)
        self._same += np.where(learns, self._run, 0.0)
        self._changes += learns
        self._run = np.where(same, self._run + 1, np.where(changed, 0.0, self._run))
        self._last = np.where(known, sample.values, self._last)
        share = np.maximum((self._same + 1) / (self._same + self._changes + 1), _SHARE_LEAST)
        by_chance = math.log(self._risk) / np.log(np.minimum(share, 1.0 - 1e-9))
        too_long = np.maximum(by_chance, _CLEARANCE * (self._longest + 1))
        return np.where(self._changes >= _LEAST, self._run / too_long, 0.0)

    def why(self, channel: int) -> str:
        """Where, and for how long."""
        value = self._words.value(channel, float(self._last[channel]))
        longest = self._words.time(float(self._longest[channel] + 1))
        return (
            f"has stood at exactly {value} for {self._words.time(float(self._run[channel]))}, "
            f"{longest} at most before; check that the sensor still measures"
        )

    def accept(self, channel: int) -> None:
        """Such runs happen."""
        self._longest[channel] = max(self._longest[channel], self._run[channel])
