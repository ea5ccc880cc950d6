"""From the values of one device to lines: calibrated, checked, thinned by deadband, encoded."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

from edgeagent.calibration import calibrate
from edgeagent_sdk.channel import Channel, Fault, Value
from edgeagent_sdk.errors import DriverError
from edgeagent_sdk.lineproto import encode, head
from edgeagent_sdk.names import Identity

T = TypeVar("T")

_MAX, _NAN = sys.float_info.max, math.nan


class Rules(NamedTuple):
    """How a device's values are treated; selectors are ``quantity`` or ``quantity/channel``.

    Args:
        deadband: smallest change worth sending, in the quantity's unit.
        heartbeat_s: an unchanged value is sent this often all the same.
        calibration: measured → true points.
    """

    deadband: Mapping[str, float]
    heartbeat_s: float
    calibration: Mapping[str, Sequence[tuple[float, float]]]


class Change(NamedTuple):
    """A channel began to fail (`reason`), or came back (empty)."""

    channel: Channel
    reason: str


class Stream:
    """What one device sends. `take` is called by the device's own thread only.

    Attributes:
        values: the last value of each channel, calibrated, or its fault.
        faults: so many faults have stood in the place of a number since the start.
    """

    def __init__(self, device: str, identity: Identity, channels: Sequence[Channel], rules: Rules) -> None:
        self.device = device
        self.channels = list(channels)
        self.values: list[Value] = [Fault("not read yet")] * len(self.channels)
        self.faults = 0
        self._places = {channel.key: i for i, channel in enumerate(self.channels)}
        self._heads = [head(c.quantity.name, c.name, device, identity) for c in self.channels]
        # A double's own range as well, so that an infinite value fails even where the quantity has no bound.
        self._bounds = [(max(c.minimum, -_MAX), min(c.maximum, _MAX)) for c in self.channels]
        self._points = self._select(rules.calibration)
        self._correct = {i: calibrate(points) for i, points in self._points.items()}
        self._deadband = self._select(rules.deadband)
        self._heartbeat_ns = int(rules.heartbeat_s * 1e9)
        self._sent: dict[int, tuple[float, int]] = {}
        self._failing: dict[int, str] = {}

    def _select(self, table: Mapping[str, T]) -> dict[int, T]:
        chosen = {}
        for i, channel in enumerate(self.channels):
            quantity, name = channel.key
            rule = table.get(f"{quantity}/{name}", table.get(quantity))
            if rule is not None:
                chosen[i] = rule
        return chosen

    def calibration(self, channel: Channel) -> Sequence[tuple[float, float]]:
        """The measured → true points of a channel; none if it is taken as it is."""
        return self._points.get(self.channels.index(channel), ())

    def latest(self, key: tuple[str, str]) -> Value:
        """The last value of one channel."""
        place = self._places.get(key)
        return Fault("the device has this channel no more") if place is None else self.values[place]

    def take(self, values: Sequence[Value], time_ns: int) -> tuple[str, int, list[Change]]:
        """Lines for one pass of readings, how many they are, and which channels' health changed.

        Raises:
            DriverError: not one value for each channel.
        """
        if len(values) != len(self.channels):
            raise DriverError(f"the driver gave {len(values)} values for {len(self.channels)} channels")
        if self._correct:
            values = self._calibrated(values)
        clean = self.values = [
            v if v.__class__ is float and low <= v <= high else _judge(v, low, high)
            for v, (low, high) in zip(values, self._bounds, strict=True)
        ]
        failing = {i: v.reason for i, v in enumerate(clean) if isinstance(v, Fault)}
        self.faults += len(failing)
        numbers = [_NAN if isinstance(v, Fault) else v for v in clean]
        if self._deadband:
            numbers = self._moved(numbers, time_ns)
        lines = encode(self._heads, numbers, time_ns)
        return lines, lines.count("\n"), self._changes(failing)

    def fail(self, reason: str) -> None:
        """The whole device failed: every channel is a fault now, though none for a reason of its own."""
        self.values = [Fault(reason)] * len(self.channels)

    def _calibrated(self, values: Sequence[Value]) -> list[Value]:
        result = list(values)
        for i, correct in self._correct.items():
            value = result[i]
            if not isinstance(value, Fault):
                result[i] = correct(value)
        return result

    def _moved(self, numbers: Sequence[float], time_ns: int) -> list[float]:
        """NaN in the place of each value that is still within its deadband."""
        result = list(numbers)
        for i, band in self._deadband.items():
            value = result[i]
            last, since_ns = self._sent.get(i, (_NAN, 0))
            if abs(value - last) < band and 0 <= time_ns - since_ns < self._heartbeat_ns:
                result[i] = _NAN
            elif value == value:
                self._sent[i] = (value, time_ns)
        return result

    def _changes(self, failing: dict[int, str]) -> list[Change]:
        if failing.keys() == self._failing.keys():
            return []
        before, self._failing = self._failing, failing
        began = [Change(self.channels[i], failing[i]) for i in failing.keys() - before.keys()]
        ended = [Change(self.channels[i], "") for i in before.keys() - failing.keys()]
        return began + ended


def _judge(value: Value, low: float, high: float) -> Value:
    """`value` if it is a number between the bounds, otherwise the fault that it is."""
    if isinstance(value, Fault):
        return value
    number = float(value)
    if low <= number <= high:
        return number
    return Fault(f"{number:g} is outside {low:g} to {high:g}")
