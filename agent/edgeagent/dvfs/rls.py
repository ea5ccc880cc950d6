"""Recursive least squares that keeps its weights in physical bounds.

The information form of recursive least squares (Haykin, Adaptive Filter Theory, ch. 10) keeps
``G = Λ + Σ w·x·xᵀ`` and ``h = Λ·θ₀ + Σ w·x·y`` instead of a covariance: rows can be taken back, a prior
never fades, and nothing winds up. ``G·θ = h`` under ``θ ≥ low`` is solved by coordinate descent from the
last solution, a sweep or two for each row (Zakharov, White, Liu, IEEE Trans. Signal Processing 56(7), 2008;
for the bounds Franc, Hlaváč, Navara, CAIP 2005). Directions in which nothing is learned stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import mul


class Fit:
    """Weights θ of ``y = x·θ``.

    Args:
        prior: θ before anything is learned.
        trust: how many rows, each with a one in that place, the prior counts as; above 0.
        low: the least that each weight may be.

    Attributes:
        theta: the weights now.
    """

    def __init__(self, prior: Sequence[float], trust: Sequence[float], low: Sequence[float]) -> None:
        self.theta = list(prior)
        self._prior, self._trust, self._low = tuple(prior), tuple(trust), tuple(low)
        self.clear()

    def clear(self) -> None:
        """Back to the prior; the weights stay until rows move them."""
        size = range(len(self._prior))
        self._gram = [[self._trust[i] if i == j else 0.0 for j in size] for i in size]
        self._moment = list(map(mul, self._prior, self._trust))

    def believe(self, prior: Sequence[float]) -> None:
        """Another prior in the place of the first one."""
        for i, (new, old, trust) in enumerate(zip(prior, self._prior, self._trust, strict=True)):
            self._moment[i] += trust * (new - old)
        self._prior = tuple(prior)

    def add(self, row: Sequence[float], target: float, weight: float = 1.0) -> None:
        """Count a row in; one that was counted before is taken back by its weight with a minus."""
        gram, moment = self._gram, self._moment
        entries = [(j, value) for j, value in enumerate(row) if value]
        for i, value in entries:
            weighted = weight * value
            line = gram[i]
            for j, other in entries:
                line[j] += weighted * other
            moment[i] += weighted * target

    def forget(self, keep: float) -> None:
        """Let all rows so far count `keep` times as much; the prior stays."""
        gone = 1.0 - keep
        for i, line in enumerate(self._gram):
            line[:] = [keep * value for value in line]
            line[i] += gone * self._trust[i]
            self._moment[i] = keep * self._moment[i] + gone * self._trust[i] * self._prior[i]

    def solve(self, sweeps: int = 1) -> None:
        """Move the weights towards the solution, one at a time."""
        theta, low, moment = self.theta, self._low, self._moment
        for _ in range(sweeps):
            for i, line in enumerate(self._gram):
                moved = theta[i] + (moment[i] - sum(map(mul, line, theta))) / line[i]
                theta[i] = moved if moved > low[i] else low[i]

    def value(self, row: Sequence[float]) -> float:
        """The target that a row should have."""
        return float(sum(map(mul, row, self.theta)))
