"""When what was learned no longer holds: Page's cumulative sums (Biometrika 41, 1954), both ways."""

from __future__ import annotations

from math import sqrt


class Change:
    """Watches values that scatter around 0 while nothing changes.

    Args:
        slack: shifts below so many standard deviations are let be.
        alarm: so many standard deviations, added up, are a change.
        least: the least standard deviation, in the unit of the values.
    """

    def __init__(self, slack: float = 1.0, alarm: float = 5.9, least: float = 0.01) -> None:
        self._slack, self._alarm, self._least = slack, alarm, least
        self._variance = least * least
        self._up = self._down = 0.0
        self._seen = 0

    @property
    def deviation(self) -> float:
        """Standard deviation of the values."""
        return max(self._least, sqrt(self._variance))

    def add(self, value: float) -> int:
        """+1 if values have become larger, -1 if smaller, else 0; after a change it starts afresh."""
        self._seen += 1
        scaled = max(-4.0, min(value / self.deviation, 4.0))  # one outlier alone is no change
        gain = 1.0 / min(self._seen, 200)
        self._variance += gain * (min(abs(value), 4.0 * self.deviation) ** 2 - self._variance)
        if self._seen <= 10:
            return 0
        self._up = max(0.0, self._up + scaled - self._slack)
        self._down = max(0.0, self._down - scaled - self._slack)
        change = int(self._up > self._alarm) - int(self._down > self._alarm)
        if change:
            self._up = self._down = 0.0
            self._seen = 0
        return change
