"""Linux's thermal governor ``step_wise`` (drivers/thermal/gov_step_wise.c)."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from edgeagent_hil.dvfs.baselines.points import steps_down
from edgeagent_sdk.governor import Machine, Observation

#: A trip stands this much below what must not be passed, and is left again this much below itself: what
#: device trees usually have (two kelvin of hysteresis, a passive trip at least five below the critical one).
MARGIN_K, HYSTERESIS_K = 5.0, 2.0


class _Zone:
    """One temperature with one passive trip, and the cooling state that it asks for."""

    def __init__(self, trip_c: float, hysteresis_k: float, states: int) -> None:
        self._trip_c, self._hysteresis_k, self._deepest = trip_c, hysteresis_k, states
        self._last_c: float | None = None
        self._above = False
        self.state = 0

    def poll(self, now_c: float) -> None:
        """Go at most one state on, as the temperature stands to the trip and as it moves."""
        rising = self._last_c is not None and now_c > self._last_c
        falling = self._last_c is not None and now_c < self._last_c
        first = self._last_c is None
        self._last_c = now_c
        self._above = now_c >= self._trip_c - (self._hysteresis_k if self._above else 0.0)
        if self._above and (rising or first):
            self.state = min(self.state + 1, self._deepest)
        elif self._above and falling:
            self.state = min(max(self.state - 1, 1), self._deepest)
        elif falling:
            self.state = max(self.state - 1, 0)


class StepWise:
    """One cooling state deeper while a zone is above its trip and warms, one back while it cools.

    Each domain's temperature is a zone that cools the domain; each other temperature with a limit is one
    that cools all of them. A domain is held by the deepest state that any of its zones asks for.

    Args:
        margin_k: how far the trips stand below the limits.
        period_s: passive polling.
    """

    name = "step_wise"

    def __init__(
        self,
        machine: Machine,
        *,
        margin_k: float = MARGIN_K,
        hysteresis_k: float = HYSTERESIS_K,
        period_s: float = 0.1,
    ) -> None:
        self.period_s = period_s
        self._opps_hz = [domain.opps_hz for domain in machine.domains]
        states = [len(opps_hz) - 1 for opps_hz in self._opps_hz]
        self._own = [
            _Zone(domain.limit_c - margin_k, hysteresis_k, deepest)
            for domain, deepest in zip(machine.domains, states, strict=True)
        ]
        self._shared = {
            name: _Zone(limit_c - margin_k, hysteresis_k, max(states))
            for name, limit_c in machine.limits_c.items()
        }

    def ceilings_hz(self, seen: Observation, busy: Sequence[float]) -> Sequence[float]:
        """A temperature that is not known leaves its zone's state as it is."""
        for zone, state in zip(self._own, seen.domains, strict=True):
            if state.temperature_c is not None:
                zone.poll(state.temperature_c)
        for name, zone in self._shared.items():
            if name in seen.temperatures_c:
                zone.poll(seen.temperatures_c[name])
        shared = max((zone.state for zone in self._shared.values()), default=0)
        deepest = [max(zone.state, shared) for zone in self._own]
        return [
            steps_down(opps_hz, state) if state else inf
            for opps_hz, state in zip(self._opps_hz, deepest, strict=True)
        ]
