"""A battery behind the meter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True)
class Battery:
    """The constants of a battery; one of 0 J does nothing.

    Attributes:
        efficiency: of charging and of discharging each. 0.95 each way is 0.90 for the round trip of a
            lithium-ion system with its converters (NREL Annual Technology Baseline: 85 % to 90 %).
    """

    capacity_j: float = 0.0
    power_max_w: float = 0.0
    efficiency: float = 0.95


class BatteryStep(NamedTuple):
    """Energy held after a step, power taken from the site (negative: given), and the heat of it."""

    held_j: float
    power_w: float
    loss_w: float


def step_battery(battery: Battery, held_j: float, wanted_w: float, dt_s: float) -> BatteryStep:
    """Charge with `wanted_w` (negative: discharge) as far as power and energy allow."""
    room_w = (battery.capacity_j - held_j) / (battery.efficiency * dt_s)
    left_w = held_j * battery.efficiency / dt_s
    most_w = battery.power_max_w
    power_w = min(max(wanted_w, -most_w, -left_w), most_w, room_w)
    stored_w = power_w * battery.efficiency if power_w > 0 else power_w / battery.efficiency
    return BatteryStep(held_j + stored_w * dt_s, power_w, power_w - stored_w)
