"""One guard's judgement: whether it acts, and why. Pure: time and readings are given to it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from edgeagent.guard.settings import GuardConfig


class Sample(NamedTuple):
    """The last that a channel gave.

    Args:
        value: the number; None for a fault.
        read_s: when it was read, on the clock of the watch.
        why: what the fault is.
    """

    value: float | None
    read_s: float
    why: str = ""


@dataclass
class _Channel:
    """What is known of a guarded channel: its last number, of when, and since when it is that very one."""

    value: float
    read_s: float
    same_since_s: float
    why: str = ""


class Alarm(NamedTuple):
    """Why a guard acts.

    Args:
        kind: ``limit``, ``stale`` or ``stuck``.
        channel: which one; empty if none has ever been there.
        value: what it was at; the highest when the guard began, None if it is not known.
        words: for people.
    """

    kind: str
    channel: str
    value: float | None
    words: str


class Watch:
    """A guard at work from `now_s` on.

    Attributes:
        alarm: why it acts now; None while it does not.
        began_s: since when it acts.
        peak: the highest that was read while it acts; negative infinity if nothing was.
    """

    def __init__(self, guard: GuardConfig, now_s: float) -> None:
        self.guard = guard
        self.alarm: Alarm | None = None
        self.began_s, self.peak = now_s, -inf
        self._since_s = now_s
        self._channels: dict[str, _Channel] = {}
        self._over_since_s: float | None = None

    def look(self, samples: Mapping[str, Sample], now_s: float) -> bool:
        """Take what the channels gave; whether it has just begun, or ceased, to act."""
        for name, sample in samples.items():
            self._take(name, sample)
        fault = self._fault(now_s)
        highest = max((c.value for c in self._channels.values()), default=-inf)
        if self.alarm is None:
            self.alarm = fault or self._over(highest, now_s)
            self.began_s, self.peak = now_s, highest
            return self.alarm is not None
        self.peak = max(self.peak, highest)
        if fault or highest > self.guard.release or now_s - self.began_s < self.guard.hold_s:
            return False
        self.alarm, self._over_since_s = None, None
        return True

    def excuse(self, now_s: float) -> None:
        """The whole process stood still: that nothing was read until now is no sensor's fault."""
        self._since_s = now_s

    def keep(self, devices: Collection[str]) -> None:
        """Those of other devices are not configured any more, and nobody waits for them."""
        self._channels = {
            name: channel for name, channel in self._channels.items() if name.partition("/")[0] in devices
        }

    def _take(self, name: str, sample: Sample) -> None:
        known = self._channels.get(name)
        if sample.value is None:
            if known:
                known.why = sample.why
            return
        same = known and known.value == sample.value
        since_s = known.same_since_s if known and same else sample.read_s
        self._channels[name] = _Channel(sample.value, sample.read_s, since_s)

    def _over(self, highest: float, now_s: float) -> Alarm | None:
        guard = self.guard
        if highest <= guard.limit:
            self._over_since_s = None
            return None
        if self._over_since_s is None:
            self._over_since_s = now_s
        if now_s - self._over_since_s < guard.for_s:
            return None
        name = max(self._channels, key=lambda name: self._channels[name].value)
        lasting = f" for {guard.for_s:g} s" if guard.for_s else ""
        return Alarm("limit", name, highest, f"{name} is {highest:g}, above {guard.limit:g}{lasting}")

    def _fault(self, now_s: float) -> Alarm | None:
        """A sensor that cannot be trusted: nobody knows how hot it is there."""
        guard = self.guard
        waited_s = now_s - self._since_s
        if not self._channels and waited_s > guard.stale_s:
            words = f"nothing that matches {guard.channel} has been read for {waited_s:.0f} s"
            return Alarm("stale", "", None, words)
        for name, channel in self._channels.items():
            age_s = now_s - channel.read_s
            if min(age_s, waited_s) > guard.stale_s:
                why = f": {channel.why}" if channel.why else ""
                return Alarm("stale", name, channel.value, f"{name} was last read {age_s:.0f} s ago{why}")
            if guard.stuck_s and (same_s := channel.read_s - channel.same_since_s) > guard.stuck_s:
                words = f"{name} has been {channel.value:g} to the last digit for {same_s:.0f} s"
                return Alarm("stuck", name, channel.value, words)
        return None
