"""What a governor gets to see of a board: rounded, noisy, sometimes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from edgeagent_hil.dvfs.scenario import Scenario

#: A meter of class 0.5 errs by less than 0.5 % in 95 of 100 readings. Drawn anew for each reading.
METER_ERROR = 0.0025

#: What thermal sensors of SoCs resolve, K.
RESOLUTION_K = 0.1

_BLOCK = 4096


class Sensors:
    """The sensors of one run; equal seeds, equal errors."""

    def __init__(self, scenario: Scenario) -> None:
        self._gaps = scenario.gaps
        self._error = _normals(scenario.seed).__next__

    def power_w(self, true_w: float, now_s: float, sensor: str = "power") -> float | None:
        """What the meter shows."""
        read_w = true_w * (1 + METER_ERROR * self._error())
        return None if self._silent(sensor, now_s) else read_w

    def temperature_c(self, true_c: float, now_s: float, sensor: str) -> float | None:
        """What a thermal sensor shows."""
        if self._silent(sensor, now_s):
            return None
        return round(true_c / RESOLUTION_K) * RESOLUTION_K

    def _silent(self, sensor: str, now_s: float) -> bool:
        return any(gap.sensor == sensor and gap.from_s <= now_s < gap.to_s for gap in self._gaps)


def _normals(seed: int) -> Iterator[float]:
    draw: Callable[[int], np.ndarray[tuple[int], np.dtype[np.float64]]]
    draw = np.random.default_rng([seed, 0x5E]).standard_normal
    while True:
        yield from draw(_BLOCK).tolist()
