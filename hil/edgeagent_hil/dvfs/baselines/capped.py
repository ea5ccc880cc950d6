"""The reactive power capper of a practitioner: clocks go down while the meter is above the cap.

This is what a script around a power meter does, without any model: one step for all domains, each period.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from edgeagent_hil.dvfs.baselines.points import steps_down
from edgeagent_sdk.governor import Machine, Observation


class Capper:
    """One step down while the machine draws more than its cap, one up while it draws less by a margin.

    Args:
        margin: share of the cap that must be free before clocks may rise.
        period_s: over which power is averaged before each step.
    """

    name = "power cap"

    def __init__(self, machine: Machine, *, margin: float = 0.05, period_s: float = 0.1) -> None:
        self.period_s = period_s
        self._margin = margin
        self._opps_hz = [domain.opps_hz for domain in machine.domains]
        self._deepest = max(len(opps_hz) - 1 for opps_hz in self._opps_hz)
        self._steps = 0

    def ceilings_hz(self, seen: Observation, busy: Sequence[float]) -> Sequence[float]:
        """Without a cap, none; without a meter, the steps stay as they are."""
        if seen.cap_w == inf:
            self._steps = 0
        elif seen.power_w is not None:
            if seen.power_w > seen.cap_w:
                self._steps = min(self._steps + 1, self._deepest)
            elif seen.power_w < (1 - self._margin) * seen.cap_w:
                self._steps = max(self._steps - 1, 0)
        return [steps_down(opps_hz, self._steps) if self._steps else inf for opps_hz in self._opps_hz]
