"""A meter's counters as totals that never fall, whatever the meter's registers do."""

from __future__ import annotations

import math
import time
from pathlib import Path

from edgeagent.drivers.counter import TotalsFile, WrapCounter
from edgeagent.drivers.modbus.points import Point
from edgeagent_sdk.channel import Fault, Value

#: Meters count in steps, and some write them down a minute late: so much may seem to come at once.
_LATE_S = 60.0

#: Before any boot.
_LONG_AGO_S = -1e15


class Totals:
    """The counters among a device's points.

    A register that falls without a wrap, or jumps, was reset, or lied: that one reading is a fault, and
    the total goes on from there.

    Args:
        power_max_w: an energy that grows much faster is no energy.
        path: where totals rest over restarts; None for nowhere.
        device: whose they are; those of another are not taken over.
    """

    def __init__(self, points: list[Point], power_max_w: float, path: Path | None, device: str) -> None:
        self._counters: dict[str, WrapCounter] = {}
        self._places: list[tuple[int, WrapCounter]] = []
        for i, point in enumerate(points):
            if point.channel and point.channel.quantity.kind == "counter":
                energy = point.channel.quantity.name == "energy"
                fast = _LATE_S * power_max_w + 2 * point.step if energy else math.inf
                # A scale that is read beside the counter moves the count at which it wraps.
                wraps_at = None if point.exponent else point.wraps_at
                counter = self._counters[point.key] = WrapCounter(wraps_at, fast)
                self._places.append((i, counter))
        self._file = TotalsFile(path, device)
        self._file.restore(self._counters)
        for counter in self._counters.values():
            # Its time is of another boot perhaps: what the meter counted meanwhile is not judged by rate.
            counter.at_s, counter.rate = _LONG_AGO_S, None

    def follow(self, values: list[Value]) -> None:
        """Put totals in the place of the registers' values."""
        now_s = time.monotonic()
        for i, counter in self._places:
            value, before = values[i], counter.raw
            if isinstance(value, Fault):
                continue
            total = counter.total
            values[i] = counter.update(value, now_s)
            gained = counter.total - total
            if before is not None and value < before and gained <= value:
                values[i] = Fault(f"the counter fell from {before:g} to {value:g}; counted on from there")
            elif before is not None and value > before and not gained:
                values[i] = Fault(f"the counter jumped from {before:g} to {value:g}; counted on from there")
        if self._places:
            self._file.save(self._counters)

    def save(self) -> None:
        """Write them down now."""
        if self._places:
            self._file.save(self._counters, now=True)
