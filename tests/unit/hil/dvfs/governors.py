"""Governors that do something plain, for tests; and small boards' scenarios."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgeagent_hil.dvfs import Stream
from edgeagent_sdk.governor import Decision, Machine, Observation


class Fixed:
    """The operating point at a share of each domain's list, always; it keeps what it saw."""

    tick_s = 0.1

    def __init__(self, machine: Machine, share: float = 1.0) -> None:
        self._decision = Decision(
            tuple(domain.opps_hz[round(share * (len(domain.opps_hz) - 1))] for domain in machine.domains)
        )
        self.seen: list[Observation] = []

    def decide(self, seen: Observation) -> Decision:
        self.seen.append(seen)
        return self._decision


class Played:
    """What a function of time says."""

    tick_s = 0.1

    def __init__(self, clocks_hz: Callable[[float], tuple[float, ...]]) -> None:
        self._clocks_hz = clocks_hz

    def decide(self, seen: Observation) -> Decision:
        return Decision(self._clocks_hz(seen.time_s))


def lowest(machine: Machine) -> Fixed:
    """Always the lowest clocks."""
    return Fixed(machine, 0.0)


def broken(machine: Machine) -> Fixed:
    """One that cannot be made."""
    raise ZeroDivisionError("by design")


def stream(
    arrival_s: list[float],
    cycles: float,
    memory_s: float = 0.0,
    *,
    domain: int = 0,
    threads: int = 1,
    deadline_s: float = 1.0,
    depth: int = 64,
) -> Stream:
    """Units that are all alike."""
    count = len(arrival_s)
    return Stream(
        name="test",
        domain=domain,
        threads=threads,
        deadline_s=deadline_s,
        arrival_s=np.array(arrival_s),
        cycles=np.full(count, cycles),
        memory_s=np.full(count, memory_s),
        depth=depth,
    )
