"""What workloads have told, summed up: units done, those done too late, and how late most are."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from edgeagent.drivers.dvfs.find import Place
from edgeagent_sdk.governor import Session

#: The quantile of latency is that of so many units.
_UNITS = 1000

#: Of so many sessions it is told that they name no domain of ours; others may send what they like.
_STRAYS = 64

#: A session that has not been heard of for so long is forgotten.
_SILENT_S = 600.0


@dataclass
class Workload:
    """One session since the start."""

    session: Session
    heard_s: float
    units: int = 0
    misses: int = 0
    latencies_s: deque[float] = field(default_factory=lambda: deque(maxlen=_UNITS))

    def take(self, session: Session, now_s: float) -> None:
        """What it has told since the last time."""
        self.session, self.heard_s = session, now_s
        self.units += len(session.done)
        self.misses += sum(unit.latency_s > session.deadline_s for unit in session.done)
        self.latencies_s.extend(unit.latency_s for unit in session.done)

    @property
    def latency_s(self) -> float | None:
        """Within which all but the share of misses that it may have were done; None before the first."""
        ordered = sorted(self.latencies_s)
        return ordered[math.ceil((1 - self.session.misses) * len(ordered)) - 1] if ordered else None

    def explain(self, numbers: Mapping[str, float]) -> dict[str, Any]:
        """As JSON would hold it, with what the governor expects."""
        session = self.session
        return {
            "name": session.name,
            "domains": list(session.domains),
            "deadline_s": session.deadline_s,
            "quantile": 1 - session.misses,
            "latency_s": self.latency_s,
            "expected_s": numbers.get(f"{session.name}.latency_s"),
            "units": self.units,
            "misses": self.misses,
            "pending": len(session.pending_s),
        }


class Workloads:
    """All sessions by name.

    Attributes:
        units, misses: of all of them since the start, those that have ended too.
    """

    def __init__(self) -> None:
        self.units = self.misses = 0
        self._workloads: dict[str, Workload] = {}
        self._strays: set[str] = set()

    def take(self, sessions: Iterable[Session], now_s: float) -> None:
        """What was told since the last time."""
        for session in sessions:
            workload = self._workloads.setdefault(session.name, Workload(session, now_s))
            before = workload.units, workload.misses
            workload.take(session, now_s)
            self.units += workload.units - before[0]
            self.misses += workload.misses - before[1]
        silent = [name for name, each in self._workloads.items() if each.heard_s < now_s - _SILENT_S]
        for name in silent:
            del self._workloads[name]

    def strays(self, sessions: Iterable[Session], places: Iterable[Place]) -> list[str]:
        """What those name, in words and once each, that name a domain which there is not."""
        known = [place.name for place in places]
        words = []
        for name, domains in ((session.name, session.domains) for session in sessions):
            if name in self._strays or len(self._strays) >= _STRAYS or set(domains) <= set(known):
                continue
            self._strays.add(name)
            unknown = ", ".join(domain for domain in domains if domain not in known)
            words.append(f"the workload {name} names {unknown}; the domains here are {', '.join(known)}")
        return words

    def get(self, name: str) -> Workload | None:
        """One of them, if it has been heard of lately."""
        return self._workloads.get(name)

    def explain(self, numbers: Mapping[str, float]) -> list[dict[str, Any]]:
        """All of them, as JSON would hold them."""
        return [workload.explain(numbers) for workload in list(self._workloads.values())]


def on_domains(session: Session, places: Iterable[Place]) -> Session:
    """A session that names no domains, on those whose CPUs its process may use."""
    if session.domains or not session.cpus:
        return session
    return session._replace(domains=tuple(place.name for place in places if place.cpus & session.cpus))
