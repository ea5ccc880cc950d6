"""The integral of a value over time: energy out of power, volume out of flow."""

from __future__ import annotations

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
        """Take the value of the monotonic time `at_s`; the total, which never falls."""
        if self._last is not None:
            before, since_s = self._last
            elapsed_s = at_s - since_s
            if 0 < elapsed_s <= self._gap_s:
                self.counter.total += max(0.0, (before + value) / 2 * elapsed_s)
        self._last = (value, at_s)
        return self.counter.total

    def skip(self) -> None:
        """There is no value now: a gap, however short."""
        self._last = None
