"""What the guards tell people: that one acts and why, that it has ceased, and that it acts without effect."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

from edgeagent.guard.watch import Watch
from edgeagent.report import Report
from edgeagent_sdk.messages import Severity


class News:
    """Told once each time."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._powerless: set[str] = set()

    def began(self, watch: Watch, actions: Mapping[str, float]) -> None:
        """A guard acts; `actions` are actuators, and the most that each may be at."""
        guard, alarm = watch.guard, watch.alarm
        assert alarm is not None
        does = ", ".join(f"{name} at most {value:g}" for name, value in actions.items())
        data = {
            "why": alarm.kind,
            "channel": alarm.channel,
            "value": alarm.value,
            "limit": guard.limit,
            "actions": dict(actions),
        }
        self._tell("guard-began", watch, f"{alarm.words}; {does or 'nothing to act upon'}", data)

    def ended(self, watch: Watch, now_s: float, why: str) -> None:
        """A guard acts no more."""
        self._powerless.discard(watch.guard.name)
        lasted_s = now_s - watch.began_s
        peak = watch.peak if isfinite(watch.peak) else None
        words = f"{why} after {lasted_s:.0f} s" + (f"; the highest was {peak:g}" if peak is not None else "")
        data = {"lasted_s": round(lasted_s, 1), "peak": peak, "release": watch.guard.release}
        self._tell("guard-ended", watch, words, data, Severity.INFO)

    def powerless(self, watch: Watch, faults: Mapping[str, str]) -> None:
        """A guard acts, and some of its actions have no effect: which, and why."""
        if faults and watch.guard.name not in self._powerless:
            self._powerless.add(watch.guard.name)
            words = "; ".join(f"{name}: {why}" for name, why in faults.items())
            data = {"actions": dict(faults)}
            self._tell("guard-powerless", watch, f"acts without effect: {words}", data, Severity.ERROR)

    def _tell(
        self,
        kind: str,
        watch: Watch,
        words: str,
        data: Mapping[str, Any],
        severity: Severity = Severity.WARNING,
    ) -> None:
        name = watch.guard.name
        self._report(kind, f"guard {name}: {words}", severity, data={"guard": name, **data})
