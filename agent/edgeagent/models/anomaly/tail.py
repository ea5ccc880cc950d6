"""How large a statistic gets by itself: a bound that it passes as rarely as is asked for.

Peaks over a high quantile follow a generalised Pareto distribution, whatever the statistic (Pickands 1975);
fitted to the peaks seen, it tells a bound beyond all of them, as in SPOT (Siffer et al., "Anomaly Detection
in Streams with Extreme Value Theory", KDD 2017). The fit is by moments (Hosking & Wallis, Technometrics
1987).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from edgeagent.models.moments import Array

_PEAKS_ABOVE: Final = 0.98
_SHAPE_MAX: Final = 0.5

#: Peaks are few and come in groups: the bound keeps this far above the largest one.
_CLEARANCE: Final = 1.3

#: Values between two fits.
_EVERY: Final = 128


class Tail:
    """Bounds for one statistic of each channel, learned from its last values.

    Args:
        risk: how likely a value is to pass the bound by itself.
        floor: the bound is never lower: for what a few values cannot tell.
        least: values needed before there is a bound.

    Attributes:
        bound: channels; infinite until `least` values are known.
    """

    def __init__(
        self, channels: int, *, risk: float, floor: float = 0.0, least: int = 300, memory: int = 3000
    ) -> None:
        self.risk, self.floor, self.least = risk, floor, least
        self.values: Array = np.full((channels, memory), np.nan)
        self.count = np.zeros(channels, dtype=np.int64)
        self.bound: Array = np.full(channels, np.inf)

    def learn(self, values: Array) -> None:
        """Take a value for each channel, none below 0; NaN where there is none.

        One beyond the bound is best taken as the bound: it rises then by so much each time, and what happens
        again and again is soon no news.
        """
        known = np.flatnonzero(np.isfinite(values))
        self.values[known, self.count[known] % self.values.shape[1]] = values[known]
        self.count[known] += 1
        due = (self.count[known] - self.least) % _EVERY == 0
        for channel in known[due & (self.count[known] >= self.least)]:
            self.bound[channel] = max(self.floor, self._fit(self.values[channel, : self.count[channel]]))

    def forget(self, channel: int) -> None:
        """Begin anew with a channel."""
        self.values[channel] = np.nan
        self.count[channel] = 0
        self.bound[channel] = np.inf

    def _fit(self, values: Array) -> float:
        place = int(_PEAKS_ABOVE * len(values))
        top = np.partition(values, place)[place:]
        base, highest = top[0], float(top.max())
        peaks = top[top > base] - base
        if len(peaks) < 2 or peaks.var() == 0:
            return _CLEARANCE * highest if highest > 0 else np.inf
        mean, spread = peaks.mean(), peaks.var()
        shape = min(max(0.5 * (1.0 - mean * mean / spread), 0.0), _SHAPE_MAX)
        scale = mean * (1.0 - shape)
        depth = len(peaks) / len(values) / self.risk
        over = scale * (np.log(depth) if shape < 1e-6 else (depth**shape - 1.0) / shape)
        return max(float(base + over), _CLEARANCE * highest)
