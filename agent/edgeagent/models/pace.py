"""Which sample of an even series a moment belongs to."""

from __future__ import annotations

import time
from collections.abc import Callable


class Pace:
    """Counts steps on a clock.

    Args:
        step_s: from one sample to the next.
        clock: monotonic seconds.
    """

    def __init__(self, step_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._step_s, self._clock = step_s, clock
        self._begun_s: float | None = None
        self._last = 0

    def steps(self) -> int:
        """How many steps it is since the last sample: 0 if its time has not come, 1 after a usual pause."""
        now_s = self._clock()
        if self._begun_s is None:
            self._begun_s = now_s
            return 1
        number = round((now_s - self._begun_s) / self._step_s)
        passed, self._last = number - self._last, number
        # A reading that comes half a step late is no gap: the next will be nearer.
        return 1 if passed == 2 else passed
