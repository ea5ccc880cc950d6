"""The guard: what gets too hot, or draws too much, is throttled, whatever anybody else has decided.

A thread of its own looks at the readings ten times a second and steers at the highest rank there is. It waits
for no disk, network, device or inference.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Sequence
from typing import Final

from edgeagent.guard.actions import Actions
from edgeagent.guard.news import News
from edgeagent.guard.settings import GuardConfig
from edgeagent.guard.watch import Sample, Watch
from edgeagent.report import Report
from edgeagent_sdk.channel import Fault
from edgeagent_sdk.driver import Actuators, Readings, Source

_TICK_S: Final = 0.1

#: A turn that comes later than this: the whole process has stood still.
_STOOD_S: Final = 1.0


class Guards:
    """All guards of the node; `apply` and `stop` are for one thread.

    Args:
        readings: of all devices.
        actuators: of all devices, at the guard's rank.
    """

    def __init__(self, readings: Readings, actuators: Actuators, report: Report) -> None:
        self._readings, self._news = readings, News(report)
        self._actions = Actions(actuators)
        self._watches: list[Watch] = []
        self._version = -1
        self._sources: dict[str, Sequence[Source]] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()
        self._turned_s = time.monotonic()

    @property
    def silent_s(self) -> float:
        """Seconds since the thread last came round; 0 while there is nothing to guard."""
        return time.monotonic() - self._turned_s if self._thread else 0.0

    @property
    def acting(self) -> int:
        """So many guards act now."""
        return sum(watch.alarm is not None for watch in self._watches)

    def apply(self, guards: Sequence[GuardConfig], devices: Collection[str]) -> None:
        """Guard what these say, over the devices that are configured; those that stay as they are go on."""
        with self._lock:
            now_s = time.monotonic()
            before = self._watches
            kept = {watch.guard.name: watch for watch in before if watch.guard in guards}
            self._watches = [kept.get(guard.name) or Watch(guard, now_s) for guard in guards]
            for watch in self._watches:
                watch.keep(devices)
            for watch in before:
                if watch.alarm and watch not in self._watches:
                    self._news.ended(watch, now_s, "it is configured anew")
        if guards and not self._thread:
            self._turned_s = time.monotonic()
            self._thread = threading.Thread(target=self._run, name="guard", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End the thread. What it holds is given back when the control ends."""
        self._ended.set()
        if self._thread:
            self._thread.join(1.0)

    def turn(self, now_s: float) -> None:
        """Look at everything once, and act."""
        with self._lock:
            stood, self._turned_s = now_s - self._turned_s > _STOOD_S, now_s
            for watch in self._watches:
                if stood:
                    watch.excuse(now_s)
                if watch.look(self._samples(watch.guard.channel, now_s), now_s):
                    self._tell(watch, now_s)
            acting = [watch for watch in self._watches if watch.alarm]
            self._actions.hold([watch.guard for watch in acting], now_s)
            for watch in acting:
                self._news.powerless(watch, self._actions.disobeyed(watch.guard, now_s))

    def _run(self) -> None:
        while not self._ended.wait(_TICK_S):
            self.turn(time.monotonic())

    def _samples(self, pattern: str, now_s: float) -> dict[str, Sample]:
        if self._version != self._readings.version:
            self._version, self._sources = self._readings.version, {}
        if pattern not in self._sources:
            self._sources[pattern] = self._readings.find(pattern)
        return {"/".join((s.device, *s.channel.key)): _sample(s, now_s) for s in self._sources[pattern]}

    def _tell(self, watch: Watch, now_s: float) -> None:
        if watch.alarm:
            targets = self._actions.targets(watch.guard)
            self._news.began(watch, {target.name: target.value for target in targets})
        else:
            self._news.ended(watch, now_s, f"it is at {watch.guard.release:g} or below")


def _sample(source: Source, now_s: float) -> Sample:
    value, age_s = source.latest()
    if isinstance(value, Fault):
        return Sample(None, now_s - age_s, value.reason)
    return Sample(value, now_s - age_s)
