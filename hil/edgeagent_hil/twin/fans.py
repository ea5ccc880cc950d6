"""Fans: the affinity laws (flow ∝ n, power ∝ n³; ASHRAE Handbook, HVAC Systems and Equipment, ch. 21)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeagent_hil.twin.kinds import Fans
from edgeagent_hil.twin.layout import Layout
from edgeagent_hil.twin.units import Array

#: A machine that cools by convection has these: nothing turns, blows or draws, and nothing depends on it.
_NONE = Fans(
    count=1,
    speed_max_rpm=1.0,
    flow_max_m3_per_s=1e-12,
    power_max_w=0.0,
    share_min=0.0,
    low_c=1e6,
    high_c=2e6,
    lag_s=1.0,
    still_share=1.0,
)


@dataclass(frozen=True)
class FanBank:
    """The constants of the fans of n servers; shape (n,)."""

    count: Array
    speed_max_rpm: Array
    flow_max_m3_per_s: Array
    power_max_w: Array
    share_min: Array
    low_c: Array
    gain_per_k: Array
    lag_s: Array
    still_share: Array


def fan_bank(layout: Layout) -> FanBank:
    """The constants of a layout's fans."""

    def column(name: str) -> Array:
        return layout.servers(lambda kind: getattr(kind.fans or _NONE, name))

    return FanBank(**{name: column(name) for name in FanBank.__dataclass_fields__})


def wanted_share(fans: FanBank, hottest_c: Array, duty: Array) -> Array:
    """The speed that is commanded, as a share of the highest; shape (n,).

    Args:
        hottest_c: of each server's chips; between `low_c` and `high_c` its controller speeds up.
        duty: a fixed command, 0 to 1; NaN leaves it to the controller.
    """
    by_heat = fans.share_min + fans.gain_per_k * (hottest_c - fans.low_c)
    by_heat = np.minimum(np.maximum(by_heat, fans.share_min), 1.0)
    return np.where(np.isnan(duty), by_heat, duty)


def spun_share(fans: FanBank, share: Array, wanted: Array, powered: Array, dt_s: float) -> Array:
    """Speed after a step; rotors follow with a lag, and run down without power. Shape (n,)."""
    target = wanted * powered
    return target + (share - target) * (fans.lag_s / (fans.lag_s + dt_s))


def flow_m3_per_s(fans: FanBank, share: Array, stalled: Array) -> Array:
    """Air that goes through; fans that stand still pass none (ducted). Shape (n,)."""
    return fans.flow_max_m3_per_s * share * (1 - stalled)


def power_w(fans: FanBank, share: Array, stalled: Array, powered: Array) -> Array:
    """What turns the rotors; a stalled fan's controller switches it off. Shape (n,)."""
    cubed: Array = share * share * share  # several times as fast as a power
    return fans.power_max_w * cubed * (1 - stalled) * powered


def conductance_share(fans: FanBank, share: Array, stalled: Array) -> Array:
    """What heat sinks give off, as a share of that at full flow; shape (n,).

    Between their fins the air flows laminar, so the conductance grows with the root of its speed (Nu ∝ Re^½;
    Incropera, ch. 7.2).
    """
    return np.maximum(np.sqrt(share * (1 - stalled)), fans.still_share)
