"""What a power cap leaves until the next decision.

A cap is on means over a second, as meters and breakers see it, and as RAPL and NVML keep theirs. So what the
last ticks left of it may be spent in the next one, and what they took too much must be made up for at once.
"""

from __future__ import annotations

from collections import deque
from math import inf

from edgeagent.dvfs.quantile import Quantile

#: The window of the cap, s, and by how much one tick may go beyond the cap within it, as a share.
_WINDOW_S, _BEYOND = 1.0, 0.15

#: How far seconds go beyond what was expected is told from so many of them; no more than this is kept back.
_SECONDS, _MARGIN = 40, 0.02


class Budget:
    """The power that was drawn lately, against the cap and against what was expected."""

    def __init__(self) -> None:
        self._spent: deque[tuple[float, float]] = deque()
        self._cap_w = inf
        self._ratios = Quantile(_SECONDS, spread=0.003)
        self._expected_w = 0.0
        self._choice: tuple[int, ...] = ()
        self._sums = [0.0, 0.0, 0.0]

    def expect(self, expected_w: float, choice: tuple[int, ...]) -> None:
        """What the machine is expected to draw from now on, at which operating points."""
        if choice != self._choice:
            self._sums = [0.0, 0.0, 0.0]
        self._expected_w, self._choice = expected_w, choice

    def learn(self, power_w: float | None, cap_w: float, elapsed_s: float) -> None:
        """What it drew, and the cap from now on."""
        if cap_w != self._cap_w:
            self._spent.clear()
            self._cap_w = cap_w
        elif power_w is not None and cap_w < inf:
            self._spent.append((elapsed_s, power_w))
            while sum(dt for dt, _ in self._spent) > _WINDOW_S - 0.5 * elapsed_s:
                self._spent.popleft()
        if power_w is not None and self._expected_w > 0:
            for i, value in enumerate((power_w, self._expected_w, 1.0)):
                self._sums[i] += value * elapsed_s
            if self._sums[2] >= 0.95 * _WINDOW_S:
                self._ratios.add(self._sums[0] / self._sums[1])
                self._sums = [0.0, 0.0, 0.0]

    def allowed_w(self, cap_w: float, tick_s: float) -> float:
        """What may be drawn until the next decision."""
        if cap_w == inf or cap_w != self._cap_w:
            return cap_w
        left_j = sum(dt * (cap_w - power_w) for dt, power_w in self._spent)
        margin = 1.0 + min(max(0.0, self._ratios.at(0.9) - 1.0), _MARGIN)
        return min(cap_w * (1.0 + _BEYOND), cap_w + left_j / tick_s) / margin
