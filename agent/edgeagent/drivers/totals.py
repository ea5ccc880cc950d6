"""The counters of a device at the other end of a wire, as totals that never fall, whatever it says."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path

from edgeagent.drivers.counter import TotalsFile, WrapCounter
from edgeagent_sdk.channel import Channel, Fault, Value

#: Before any boot of this machine.
_LONG_AGO_S = -1e15


class Total:
    """One counter over its resets: that it has begun again is believed when it says so twice.

    A single wrong value is a fault, and leaves no trace in the total.

    Attributes:
        resets: so often it has begun again.
    """

    def __init__(self, counter: WrapCounter) -> None:
        self.counter = counter
        self.resets = 0
        self._doubted = False

    def take(self, value: Value, unit: str) -> Value:
        """The total when the counter says `value`; a fault if it says none, or what cannot be.

        Args:
            unit: of the value, for people.
        """
        if isinstance(value, Fault):
            return value
        if not 0 <= value < math.inf:
            return Fault(f"the counter says {_amount(value, unit)}")
        counter, now_s, before = self.counter, time.monotonic(), self.counter.raw
        fell = counter.begun_again(value, now_s)
        if fell and not self._doubted:
            self._doubted = True
            fall = f"from {before:.12g} to {_amount(value, unit)}"
            return Fault(f"the counter fell {fall}; believed when it says so again")
        self.resets += fell
        self._doubted = False
        total = counter.total
        if counter.update(value, now_s) == total and before is not None and value > before:
            words = f"jumped from {before:.12g} to {_amount(value, unit)}; counted on from there"
            return Fault(f"the counter {words}")
        return counter.total


class Totals:
    """The counters of one device, over its resets and restarts, and over those of the agent.

    Args:
        path: where totals rest over restarts of the agent; None to keep nothing.
        device: whose they are; those of another are not taken over.
    """

    def __init__(self, path: Path | None, device: str) -> None:
        self._totals: dict[str, Total] = {}
        self._file = TotalsFile(path, device)

    def adopt(self, counters: Mapping[str, WrapCounter]) -> None:
        """Count with these, by ``quantity/channel``; the new ones go on from where the last run left them."""
        fresh = {name: counter for name, counter in counters.items() if name not in self._totals}
        self._file.restore(fresh)
        for name, counter in fresh.items():
            # Its time is of another boot perhaps: what was counted meanwhile is not judged by rate.
            counter.at_s, counter.rate = _LONG_AGO_S, None
            self._totals[name] = Total(counter)

    def take(self, channel: Channel, value: Value) -> Value:
        """The total of `channel`, whose counter says `value`; a fault if that fell or jumped."""
        return self._totals["/".join(channel.key)].take(value, channel.quantity.unit)

    def save(self, *, now: bool = False) -> None:
        """Write the totals if it is time; with `now`, at once."""
        if self._totals:
            self._file.save({name: total.counter for name, total in self._totals.items()}, now=now)


def _amount(value: float, unit: str) -> str:
    return f"{value:.12g} {unit}".removesuffix(" 1")
