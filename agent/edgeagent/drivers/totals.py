"""The counters of a device at the other end of a wire, as totals that never fall, whatever it says."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from edgeagent.drivers.counter import TotalsFile, WrapCounter
from edgeagent_sdk.channel import Channel, Fault, Value

#: Before any boot of this machine.
_LONG_AGO_S = -1e15


class Totals:
    """The counters of one device, over its resets and restarts, and over those of the agent.

    A counter that falls without a wrap, or jumps, was reset, or lied: that one reading is a fault, and
    the total goes on from there.

    Args:
        path: where totals rest over restarts of the agent; None to keep nothing.
        device: whose they are; those of another are not taken over.
    """

    def __init__(self, path: Path | None, device: str) -> None:
        self._counters: dict[str, WrapCounter] = {}
        self._file = TotalsFile(path, device)

    def adopt(self, counters: Mapping[str, WrapCounter]) -> None:
        """Count with these, by ``quantity/channel``; the new ones go on from where the last run left them."""
        fresh = {name: counter for name, counter in counters.items() if name not in self._counters}
        self._file.restore(fresh)
        for counter in fresh.values():
            # Its time is of another boot perhaps: what was counted meanwhile is not judged by rate.
            counter.at_s, counter.rate = _LONG_AGO_S, None
        self._counters |= fresh

    def take(self, channel: Channel, value: Value) -> Value:
        """The total of `channel`, whose counter says `value`; a fault if that fell or jumped."""
        if isinstance(value, Fault):
            return value
        counter = self._counters["/".join(channel.key)]
        before, total = counter.raw, counter.total
        gained = counter.update(value, time.monotonic()) - total
        if before is not None and value < before and gained <= value:
            return _odd("fell", before, value, channel.quantity.unit)
        if before is not None and value > before and not gained:
            return _odd("jumped", before, value, channel.quantity.unit)
        return counter.total

    def save(self, *, now: bool = False) -> None:
        """Write the totals if it is time; with `now`, at once."""
        if self._counters:
            self._file.save(self._counters, now=now)


def _odd(what: str, before: float, value: float, unit: str) -> Fault:
    to = f"{value:.12g} {unit}".removesuffix(" 1")
    return Fault(f"the counter {what} from {before:.12g} to {to}; counted on from there")
