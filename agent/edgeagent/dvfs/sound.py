"""Measurements that are none are taken for missing ones, before anything learns from them."""

from __future__ import annotations

from math import inf, isfinite

from edgeagent_sdk.governor import DomainState, Observation


def sound(seen: Observation) -> Observation:
    """The same, with None for powers and temperatures that no machine can have."""
    return seen._replace(
        domains=tuple(_state(state) for state in seen.domains),
        power_w=_power_w(seen.power_w),
        cap_w=seen.cap_w if seen.cap_w >= 0.0 else inf,
        temperatures_c={name: c for name, c in seen.temperatures_c.items() if isfinite(c)},
    )


def _state(state: DomainState) -> DomainState:
    temperature_c = state.temperature_c
    return state._replace(
        clock_hz=state.clock_hz if isfinite(state.clock_hz) else 0.0,
        busy=min(max(state.busy, 0.0), 1.0) if isfinite(state.busy) else 1.0,
        temperature_c=temperature_c if temperature_c is not None and isfinite(temperature_c) else None,
        power_w=_power_w(state.power_w),
    )


def _power_w(power_w: float | None) -> float | None:
    return power_w if power_w is not None and 0.0 <= power_w < inf else None
