"""What stands above another governor and lowers its ceilings: Linux's thermal governors, and a power capper.

The governor below sees the lowered ceiling, as cpufreq's governors see their policy's maximum, and what it
decides is held to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Protocol

from edgeagent_hil.dvfs.baselines.points import at_most
from edgeagent_sdk.governor import Decision, Governor, Machine, Observation


class Limiter(Protocol):
    """What decides about ceilings.

    Attributes:
        period_s: how often it wants to be asked.
        name: for the reason that is given.
    """

    period_s: float
    name: str

    def ceilings_hz(self, seen: Observation, busy: Sequence[float]) -> Sequence[float]:
        """For each domain; infinite for none.

        Args:
            seen: now; its power is the mean since the last call.
            busy: of each domain, the mean since the last call.
        """
        ...


class Limited:
    """`inner` under the ceilings of `limiter`."""

    def __init__(self, machine: Machine, inner: Governor, limiter: Limiter) -> None:
        self.tick_s = min(inner.tick_s, limiter.period_s)
        self._inner, self._limiter = inner, limiter
        self._opps_hz = [domain.opps_hz for domain in machine.domains]
        self._ceilings_hz: Sequence[float] = [inf] * len(self._opps_hz)
        self._means = _Means(len(machine.domains))
        self._inner_due_s = -inf
        self._decided = Decision(tuple(opps_hz[0] for opps_hz in self._opps_hz))

    def decide(self, seen: Observation) -> Decision:
        """What `inner` decides, under the ceilings."""
        self._means.add(seen, self.tick_s)
        if self._means.lasted_s >= self._limiter.period_s * 0.999:
            mean = seen._replace(power_w=self._means.power_w)
            self._ceilings_hz = self._limiter.ceilings_hz(mean, self._means.busy)
            self._means = _Means(len(seen.domains), seen.time_s)
        if min(self._ceilings_hz) == inf:  # most of the time, and most of the time that a run takes
            return self._of_inner(seen)
        lowered = tuple(
            state._replace(ceiling_hz=min(state.ceiling_hz, ceiling_hz))
            for state, ceiling_hz in zip(seen.domains, self._ceilings_hz, strict=True)
        )
        decided = self._of_inner(seen._replace(domains=lowered))
        clocks_hz = tuple(
            min(clock_hz, at_most(opps_hz, state.ceiling_hz))
            for clock_hz, opps_hz, state in zip(decided.clock_hz, self._opps_hz, lowered, strict=True)
        )
        return Decision(clocks_hz, decided.why if clocks_hz == decided.clock_hz else self._limiter.name)

    def _of_inner(self, seen: Observation) -> Decision:
        """The inner governor's last decision, or a new one if it is due."""
        if seen.time_s >= self._inner_due_s:
            self._decided = self._inner.decide(seen)
            self._inner_due_s = seen.time_s + self._inner.tick_s * 0.999
        return self._decided


class _Means:
    """Busy shares and power over the ticks between two calls of a limiter."""

    def __init__(self, domains: int, since_s: float | None = None) -> None:
        self.lasted_s = 0.0
        self._at_s = since_s
        self._busy_s = [0.0] * domains
        self._energy_j = self._metered_s = 0.0

    def add(self, seen: Observation, tick_s: float) -> None:
        """One more tick."""
        lasted_s = tick_s if self._at_s is None else max(seen.time_s - self._at_s, 0.0)
        self._at_s = seen.time_s
        self.lasted_s += lasted_s
        for place, state in enumerate(seen.domains):
            self._busy_s[place] += state.busy * lasted_s
        if seen.power_w is not None:
            self._energy_j += seen.power_w * lasted_s
            self._metered_s += lasted_s

    @property
    def busy(self) -> list[float]:
        """The mean of each domain."""
        return [busy_s / max(self.lasted_s, 1e-9) for busy_s in self._busy_s]

    @property
    def power_w(self) -> float | None:
        """The machine's mean; None if no tick had one."""
        return self._energy_j / self._metered_s if self._metered_s else None
