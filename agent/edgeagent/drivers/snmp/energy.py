"""A device's energy counters as totals that never fall, whatever the device's numbers do."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from edgeagent.drivers.counter import TotalsFile, WrapCounter
from edgeagent_sdk.channel import Fault, Value

#: No PDU of today passes more; what a counter gains beyond it is no energy.
_POWER_MAX_W = 1e7

#: Before any boot of this machine.
_LONG_AGO_S = -1e15


class Energies:
    """The energy channels of one device, over resets, restarts of the device and of the agent.

    Args:
        path: where totals rest over restarts of the agent; None to keep nothing.
        device: whose they are; those of another are not taken over.
    """

    def __init__(self, path: Path | None, device: str) -> None:
        self._counters: dict[str, WrapCounter] = {}
        self._file = TotalsFile(path, device)

    def adopt(self, wraps_at_j: Mapping[str, float | None]) -> None:
        """Count for these channels; those that are new go on from where the last run left them.

        Args:
            wraps_at_j: channel -> energy at which its counter begins again; None if that is not known.
        """
        fresh = {
            name: WrapCounter(wraps, _POWER_MAX_W)
            for name, wraps in wraps_at_j.items()
            if name not in self._counters
        }
        self._file.restore(fresh)
        for counter in fresh.values():
            # Its time is of another boot perhaps: what was counted meanwhile is not judged by rate.
            counter.at_s, counter.rate = _LONG_AGO_S, None
        self._counters |= fresh

    def update(self, name: str, counted_j: Value) -> Value:
        """The total of a channel whose counter says `counted_j`; a fault if the counter fell."""
        if isinstance(counted_j, Fault):
            return counted_j
        counter = self._counters[name]
        before_j, total_j = counter.raw, counter.total
        now_j = counter.update(counted_j, time.monotonic())
        if before_j is not None and counted_j < before_j and now_j - total_j <= counted_j:
            fall = f"from {before_j / 3.6e6:g} to {counted_j / 3.6e6:g} kWh"
            return Fault(f"the counter fell {fall}; counted on from there")
        return now_j

    def save(self, *, now: bool = False) -> None:
        """Write the totals if it is time; with `now`, at once."""
        if self._counters:
            self._file.save(self._counters, now=now)
