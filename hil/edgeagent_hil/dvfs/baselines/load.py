"""Load as ``ondemand`` and ``conservative`` see it: the busy share of the time since the last sample.

While a CPU idles nobody samples: the governors hang on the scheduler's updates. At the first sample after an
idle time of more than two periods the load of before is taken once more, so that a burst does not start at
the bottom (drivers/cpufreq/cpufreq_governor.c, dbs_update).
"""

from __future__ import annotations

from typing import NamedTuple


class Sample(NamedTuple):
    """What a sample yields.

    Args:
        load: 0 to 1.
        idle_periods: whole sampling periods that were slept through; 0 after short idle times.
    """

    load: float
    idle_periods: int


class Load:
    """Gathers ticks into samples."""

    def __init__(self) -> None:
        self._elapsed_s = self._busy_s = 0.0
        self._before = 0.0

    def sample(self, busy: float, lasted_s: float, period_s: float) -> Sample | None:
        """Add a tick; a sample if one is due: `period_s` have passed, and this tick was not an idle one."""
        self._elapsed_s += lasted_s
        self._busy_s += busy * lasted_s
        if busy <= 0 or self._elapsed_s < period_s * 0.999:
            return None
        idle_s, load = self._elapsed_s - self._busy_s, self._busy_s / self._elapsed_s
        self._elapsed_s = self._busy_s = 0.0
        slept = idle_s > 2 * period_s
        if slept and self._before:
            load, self._before = self._before, 0.0
        else:
            self._before = load
        return Sample(load, int(idle_s / period_s) if slept else 0)
