"""The quantile of the last values, as conformal prediction takes it.

Of n exchangeable values the ⌈(n + 1)·q⌉-th smallest is not passed by the next one with a probability of at
least q (Vovk, Gammerman, Shafer, Algorithmic Learning in a Random World, 2005). Where n is too small for
that rank, the largest seen is stretched by what is not known yet.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from math import ceil


class Quantile:
    """Order statistics of a sliding window.

    Args:
        window: so many values count.
        spread: before anything is seen, the largest is taken as this much above the first, as a share.
    """

    def __init__(self, window: int = 400, spread: float = 0.1) -> None:
        self._window, self._spread = window, spread
        self._recent: deque[float] = deque()
        self._sorted: list[float] = []

    def __len__(self) -> int:
        return len(self._recent)

    def add(self, value: float) -> None:
        """One more; the oldest goes when the window is full."""
        if len(self._recent) == self._window:
            del self._sorted[bisect_left(self._sorted, self._recent.popleft())]
        self._recent.append(value)
        insort(self._sorted, value)

    def clear(self, keep: int = 0) -> None:
        """Forget all but the last `keep`."""
        while len(self._recent) > keep:
            del self._sorted[bisect_left(self._sorted, self._recent.popleft())]

    def at(self, share: float, without: float = 1.0) -> float:
        """What at least this share of the next values stays below; `without` values, it is their start."""
        count = len(self._sorted)
        rank = ceil((count + 1) * share)
        if 0 < rank <= count:
            return self._sorted[rank - 1]
        largest = self._sorted[-1] if count else without
        missing = 1.0 - count / (rank or 1)
        return largest + abs(largest) * self._spread * missing
