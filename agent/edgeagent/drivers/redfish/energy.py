"""A BMC's energy counter as a total that never falls."""

from __future__ import annotations

import time

from edgeagent.drivers.counter import WrapCounter
from edgeagent_sdk.channel import Fault, Value


class EnergyMeter:
    """Believes that the counter began again only when it says so twice.

    Attributes:
        resets: so often it has begun again.
    """

    def __init__(self) -> None:
        self.counter = WrapCounter(None)
        self.resets = 0
        self._doubted = False

    def take(self, energy_j: Value) -> Value:
        """The total in J, or the fault that the counter's value is."""
        if isinstance(energy_j, Fault):
            return energy_j
        if not 0 <= energy_j < float("inf"):
            return Fault(f"the energy counter says {energy_j:g} J")
        before_j = self.counter.raw
        fallen = before_j is not None and energy_j < before_j
        if fallen and not self._doubted:
            self._doubted = True
            return Fault(f"the energy counter went back from {before_j:.0f} J to {energy_j:.0f} J")
        self.resets += fallen
        self._doubted = False
        return self.counter.update(energy_j, time.monotonic())
