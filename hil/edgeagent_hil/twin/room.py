"""The room: air that servers heat and air conditioners cool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from edgeagent_hil.twin.units import AIR_J_PER_M3_K


@dataclass(frozen=True)
class Room:
    """The constants of the room.

    Attributes:
        capacity_j_per_k: of its air, racks and floor.
        cooling_max_w: heat that the air conditioners can take out.
    """

    capacity_j_per_k: float
    cooling_max_w: float


class RoomOutputs(NamedTuple):
    """Temperature of the air that is supplied, heat taken out, and the power that this took."""

    supply_c: float
    rejected_w: float
    power_w: float


def room(heat_w: float, *, volume_m3_per_kw: float = 3.0, margin: float = 1.3) -> Room:
    """A room for so much heat.

    Args:
        volume_m3_per_kw: 30 m³ for a rack of 10 kW; racks, walls and floor are taken to hold ten times the
            heat of the air. Both are estimates.
        margin: capacity of the air conditioners over `heat_w`.
    """
    air_j_per_k = AIR_J_PER_M3_K * volume_m3_per_kw * heat_w / 1e3
    return Room(10 * air_j_per_k, margin * heat_w)


def performance(supply_c: float) -> float:
    """Heat taken out per power drawn, for water-cooled computer room air conditioners that supply air of
    `supply_c`. Source: Moore, Chase, Ranganathan, Sharma, Making Scheduling "Cool", USENIX ATC '05."""
    return 0.0068 * supply_c**2 + 0.0008 * supply_c + 0.458


def step_room(room: Room, air_c: float, setpoint_c: float, heat_w: float, dt_s: float) -> RoomOutputs:
    """One step: the air conditioners hold the setpoint as long as their capacity suffices."""
    inertia = room.capacity_j_per_k / dt_s
    wanted_w = heat_w + inertia * (air_c - setpoint_c)
    rejected_w = min(max(wanted_w, 0.0), room.cooling_max_w)
    supply_c = air_c + (heat_w - rejected_w) / inertia
    return RoomOutputs(supply_c, rejected_w, rejected_w / performance(max(supply_c, 0.0)))
