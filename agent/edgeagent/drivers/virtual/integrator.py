"""The integral of a value over time: energy out of power, volume out of flow."""

from __future__ import annotations

import math

from edgeagent.drivers.counter import WrapCounter


class Integrator:
    """Adds up by the trapezoidal rule. Over a gap nothing is added: what was not measured is not invented.

    Args:
        gap_s: longer between two values is a gap.

    Attributes:
        counter: holds the total, in SI units, and can be kept over restarts.
    """

    def __init__(self, gap_s: float) -> None:
        self.counter = WrapCounter(None)
        self._gap_s = gap_s
        self._last: tuple[float, float] | None = None

    def add(self, value: float, at_s: float) -> float:
        """Take the value of the monotonic time `at_s`; the total, which never falls.

        NaN for a value that is no finite number, which makes a gap: a total that took it in were lost.
        """
        if not math.isfinite(value):
            self.skip()
            return math.nan
        if self._last is not None:
            before, since_s = self._last
            elapsed_s = at_s - since_s
            if 0 < elapsed_s <= self._gap_s:
                gained = max(0.0, (before / 2 + value / 2) * elapsed_s)
                self.counter.total += gained if math.isfinite(gained) else 0.0
        self._last = (value, at_s)
        return self.counter.total

    def go_on_from(self, other: Integrator) -> None:
        """Take up where `other`, of the same value, is: no gap."""
        self._last = other._last

    def skip(self) -> None:
        """There is no value now: a gap, however short."""
        self._last = None
