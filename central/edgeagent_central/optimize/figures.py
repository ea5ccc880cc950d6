"""Figures of an optimizer, in the Prometheus text format (version 0.0.4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from edgeagent_central.optimize.frame import Frame, Lead


class Figure(NamedTuple):
    """One metric; its name goes without the prefix."""

    name: str
    kind: str
    text: str
    value: float


def of_frame(frame: Frame[Any, Any], lead: Lead) -> Iterator[Figure]:
    """What every optimizer tells."""
    counts = frame.counts
    yield Figure("leads", "gauge", "1 if this process is in charge", int(lead.leads))
    yield Figure("turns_total", "counter", "turns in which it was in charge", counts["turns"])
    yield Figure("decide_seconds_total", "counter", "time from looking to deciding", round(frame.took_s, 6))
    yield Figure("late_total", "counter", "decisions that came too late", counts["late"])
    yield Figure("failed_total", "counter", "decisions that failed", counts["failed"])
    yield Figure("rejected_total", "counter", "plans that did not pass the check", counts["rejected"])
    yield Figure("unsent_total", "counter", "turns without any plan that passed", counts["unsent"])
    yield Figure("skipped_total", "counter", "turns left out for want of time", counts["skipped"])


def exposition(figures: Iterable[Figure]) -> str:
    """All as text."""
    lines = []
    for figure in figures:
        name = f"edgeagent_optimizer_{figure.name}"
        lines.append(f"# HELP {name} {figure.text}\n# TYPE {name} {figure.kind}\n{name} {figure.value}\n")
    return "".join(lines)
