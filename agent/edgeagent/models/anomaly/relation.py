"""Two channels that went together and no longer do: a fan and the temperature that it answers to.

Each channel is explained by each other one, its present value and its past at two paces, by recursive least
squares (Ljung, "System Identification", 1999, 11.2): heat follows power late. The other that explains
it best is held against it, as long as it explains a good part of what the channel does.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from edgeagent.models.anomaly.check import Sample
from edgeagent.models.anomaly.rls import Rls
from edgeagent.models.anomaly.scale import Scale
from edgeagent.models.anomaly.tail import Tail
from edgeagent.models.anomaly.words import Words
from edgeagent.models.moments import Array

Flags = NDArray[np.bool_]

#: Paces of the past that a channel may follow, in samples.
_PACES: Final = (8.0, 60.0)

#: Samples after which what was learned counts 1/e, and those over which it is judged.
_MEMORY: Final = 3000.0
_RECENT: Final = 20.0

#: The root of the mean of 20 squared normal errors passes 1.8 once in a million times (chi-square); errors
#: that hang together do so more often.
_FLOOR: Final = 2.2

#: In bounds, what a single error counts at most: it alone is an alarm, but not for long.
_LARGEST: Final = 5.0

#: The share of a channel's variance that another must explain, and the samples that it takes to believe it.
_EXPLAINED: Final = 0.6
_LEAST: Final = 600


class Relation:
    """The error of each channel given the best other one, over some time, against how large that gets."""

    def __init__(self, words: Words, risk: float) -> None:
        count = len(words)
        self._words = words
        self._effects, self._causes = (a.reshape(-1) for a in np.indices((count, count)))
        keep = self._effects != self._causes
        self._effects, self._causes = self._effects[keep], self._causes[keep]
        self._fits = Rls(len(self._effects), 2 + len(_PACES), _MEMORY)
        self._tail = Tail(len(self._effects), risk=risk, floor=_FLOOR)
        self._paced: Array = np.full((len(_PACES), count), np.nan)
        self._scale = Scale(count, _MEMORY)
        self._unexplained: Array = np.zeros(len(self._effects))
        self._recent: Array = np.zeros(len(self._effects))
        self._expected: Array = np.zeros(len(self._effects))
        self._best: Array = np.full(count, -1, dtype=float)
        self._values: Array = np.full(count, np.nan)
        self._judged: Array = np.zeros(len(self._effects))

    def weigh(self, sample: Sample) -> Array:
        """The error of late over its bound, with the cause that explains most; 0 where none explains much."""
        values = sample.values
        self._values = values
        self._scale.learn(np.where(sample.normal, values, np.nan))
        self._follow(values)
        features = self._features(values)
        whole = np.isfinite(features).all(axis=1) & np.isfinite(values[self._effects])
        self._expected = self._fits.expect(features)
        error = np.where(whole, values[self._effects] - self._expected, 0.0)
        normal = whole & sample.normal[self._effects] & sample.normal[self._causes]
        known = np.where(self._unexplained > 0, self._unexplained, np.inf)
        felt = np.minimum(np.abs(error), _LARGEST * self._tail.bound * np.sqrt(known))
        self._recent += np.where(whole, felt**2 - self._recent, 0.0) / _RECENT
        self._learn(normal, error, features)
        with np.errstate(invalid="ignore", divide="ignore"):
            size = np.sqrt(self._recent / self._unexplained)
            believed = self._unexplained / self._scale.variance[self._effects] < 1.0 - _EXPLAINED
            ratio = np.nan_to_num(size / self._tail.bound, posinf=0.0)
        ready = believed & (self._judged > _LEAST)
        ratio = np.where(ready, ratio, 0.0)
        learnt = normal & (self._judged > _LEAST)
        self._tail.learn(np.where(learnt, np.minimum(size, self._tail.bound), np.nan))
        return self._of_best(ratio, ready, sample.blamed)

    def why(self, channel: int) -> str:
        """What it followed, and what that would have meant."""
        pair = int(self._best[channel])
        cause = int(self._causes[pair])
        value = self._words.value(channel, self._values[channel])
        usual = self._words.value(channel, self._expected[pair])
        other = self._words.value(cause, self._values[cause])
        return (
            f"no longer follows {self._words.name(cause)}: {value} where {usual} goes with {other}; "
            "check both, and what couples them"
        )

    def accept(self, channel: int) -> None:
        """Learn anew what the channel follows."""
        for pair in np.flatnonzero((self._effects == channel) | (self._causes == channel)):
            self._fits.forget(int(pair))
            self._tail.forget(int(pair))
            self._judged[pair] = self._recent[pair] = self._unexplained[pair] = 0.0

    def _follow(self, values: Array) -> None:
        known = np.isfinite(values)
        for paced, pace in zip(self._paced, _PACES, strict=True):
            moved = np.where(np.isfinite(paced), paced + (values - paced) / pace, values)
            paced[:] = np.where(known, moved, paced)

    def _features(self, values: Array) -> Array:
        """Pairs × features; in sizes that suit the arithmetic, NaN until these are known."""
        scaled = self._scale.of(np.stack([values, *self._paced]))[:, self._causes].T
        return np.concatenate([np.ones((len(scaled), 1)), scaled], axis=1)

    def _learn(self, normal: Flags, error: Array, features: Array) -> None:
        self._fits.learn(np.where(normal[:, None], features, 0.0), np.where(normal, error, 0.0), normal)
        self._judged += normal
        settled = normal & (self._judged > _LEAST / 2)
        pace = np.minimum(np.maximum(self._judged - _LEAST / 2, 1.0), _MEMORY)
        self._unexplained += np.where(settled, error**2 - self._unexplained, 0.0) / pace

    def _of_best(self, ratio: Array, ready: Flags, blamed: Flags) -> Array:
        """For each channel the ratio of the cause that leaves the least unexplained.

        A channel whose cause is blamed is not to blame; of two that are each other's cause, the one is
        that fits its other causes less.
        """
        count = len(self._words)
        found, blame = np.zeros(count), np.zeros(count)
        # Not np.unique: it imports numpy.ma when it is first called, at the first inference.
        for channel in sorted(set(self._effects[ready].tolist())):
            pairs = np.flatnonzero(ready & (self._effects == channel))
            best = pairs[self._unexplained[pairs].argmin()]
            self._best[channel] = best
            found[channel], blame[channel] = ratio[best], ratio[pairs].sum()
        for channel in np.flatnonzero((found >= 1.0) & ~blamed):
            cause = self._causes[int(self._best[channel])]
            if blamed[cause] or (found[cause] >= 1.0 and blame[cause] > blame[channel]):
                found[channel] = 0.0
        return found
