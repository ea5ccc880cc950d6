"""Governors that do as a test wishes, named in a configuration as ``tests.governors:Sweeping``."""

from __future__ import annotations

import time
from collections.abc import Mapping
from math import inf
from typing import Any

from edgeagent_sdk.governor import Decision, Machine, Observation


class Sweeping:
    """Another clock at each tick, from the lowest up and again, within the ceilings; learns how often."""

    tick_s = 0.1

    def __init__(self, machine: Machine) -> None:
        self.machine, self.ticks = machine, 0

    def decide(self, seen: Observation) -> Decision:
        """Never the highest, so that what holds is not what was found."""
        self.ticks += 1
        clocks = [
            min(domain.opps_hz[self.ticks % (len(domain.opps_hz) - 1)], state.ceiling_hz)
            for domain, state in zip(self.machine.domains, seen.domains, strict=True)
        ]
        return Decision(tuple(clocks), "sweep: all of them", {"power_w": 1.0 * self.ticks})

    def memory(self) -> dict[str, Any]:
        """So many ticks."""
        return {"ticks": self.ticks}

    def recall(self, memory: Mapping[str, Any]) -> None:
        """Go on from there."""
        self.ticks = int(memory["ticks"])


class Careful:
    """The lowest clocks under a cap, or where a temperature is not known; else the second highest."""

    tick_s = 0.1

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def decide(self, seen: Observation) -> Decision:
        """What is lowest is so for one reason."""
        capped = seen.cap_w < inf
        low = [capped or state.temperature_c is None for state in seen.domains]
        clocks = [
            domain.opps_hz[0 if slow else -2] for domain, slow in zip(self.machine.domains, low, strict=True)
        ]
        why = "cap: as slow as can be" if capped else "heat: not known" if any(low) else "deadline: in time"
        heat = {f"{domain.name}.temperature_c": 50.0 for domain in self.machine.domains}
        return Decision(tuple(clocks), why, {"power_w": 5.0, **heat})


class Raising(Careful):
    """Fails at every fifth tick."""

    ticks = 0

    def decide(self, seen: Observation) -> Decision:
        """Or raise."""
        Raising.ticks += 1
        if Raising.ticks % 5 == 0:
            raise ZeroDivisionError("nobody has thought of this")
        return super().decide(seen)


class Hanging(Careful):
    """Takes a minute for its fifth decision."""

    ticks = 0

    def decide(self, seen: Observation) -> Decision:
        """At last."""
        self.ticks += 1
        if self.ticks == 5:
            time.sleep(60)
        return super().decide(seen)
