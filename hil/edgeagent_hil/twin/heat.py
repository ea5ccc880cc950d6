"""Heat: from chips into the air of their case or into a cold plate, and from the case into the room.

Lumped heat capacities and conductances (Incropera, DeWitt, Fundamentals of Heat and Mass Transfer, ch. 5):
each component with its heat sink is one node, the case's air and metal another; the die stands above its
heat sink's base by a constant resistance, since it settles within milliseconds.

The step is an implicit Euler step, solved in closed form: stable for any step, never overshooting, exact
in the steady state, and what leaves one node enters the next to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from edgeagent_hil.twin.layout import Layout
from edgeagent_hil.twin.units import AIR_J_PER_M3_K, Array

#: How mounting and thermal paste differ, as the standard deviation of a share. An estimate.
_CONDUCTANCE_SPREAD = 0.03


@dataclass(frozen=True)
class HeatPaths:
    """The constants of c components in each of n servers.

    Attributes:
        capacity_j_per_k: shape (c, n).
        air_w_per_k, plate_w_per_k: shape (c, n), from a component to the air and to its cold plate, at full
            flow.
        case_capacity_j_per_k, passive_w_per_k: shape (n,).
    """

    capacity_j_per_k: Array
    air_w_per_k: Array
    plate_w_per_k: Array
    case_capacity_j_per_k: Array
    passive_w_per_k: Array


class Warmed(NamedTuple):
    """Temperatures after a step, and the heat that left during it (means over the step).

    Attributes:
        sink_c: shape (c, n).
        case_c: shape (n,); air leaves the case with it.
        air_w: shape (n,), into the surrounding air.
        coolant_w: shape (n,), into the coolant.
    """

    sink_c: Array
    case_c: Array
    air_w: Array
    coolant_w: Array


def heat_paths(layout: Layout) -> HeatPaths:
    """The constants of a layout's servers."""
    conductance_w_per_k = layout.varied(
        layout.parts(lambda part: part.conductance_w_per_k), _CONDUCTANCE_SPREAD
    )
    dry = layout.parts(lambda part: part.cooling == "air")
    return HeatPaths(
        capacity_j_per_k=layout.parts(lambda part: part.heat_capacity_j_per_k, 1e-6),
        air_w_per_k=conductance_w_per_k * dry,
        plate_w_per_k=conductance_w_per_k * (1 - dry),
        case_capacity_j_per_k=layout.servers(lambda kind: kind.case_heat_capacity_j_per_k),
        passive_w_per_k=layout.servers(lambda kind: kind.passive_w_per_k),
    )


def warm(
    paths: HeatPaths,
    sink_c: Array,
    case_c: Array,
    *,
    chip_w: Array,
    other_w: Array,
    air_share: Array,
    plate_share: Array,
    clean_share: Array,
    flow_m3_per_s: Array,
    inlet_c: Array,
    coolant_c: Array,
    dt_s: float,
) -> Warmed:
    """One step.

    Args:
        sink_c, chip_w: shape (c, n).
        case_c, other_w, flow_m3_per_s, inlet_c, coolant_c: shape (n,); `other_w` heats the case's air.
        air_share, plate_share: shape (n,), conductances to air and plates as shares of those at full flow.
        clean_share: shape (n,), share of a surface's conductance to air that dust leaves.
    """
    inertia = paths.capacity_j_per_k / dt_s
    case_inertia = paths.case_capacity_j_per_k / dt_s
    out_w_per_k = paths.passive_w_per_k * clean_share + AIR_J_PER_M3_K * flow_m3_per_s
    to_air, to_plate = paths.air_w_per_k * (air_share * clean_share), paths.plate_w_per_k * plate_share
    # Each component's balance gives its temperature as a function of the case's; put into the case's
    # balance, only that one is unknown.
    besides_air = inertia + to_plate
    below = besides_air + to_air
    above_w = inertia * sink_c + chip_w + to_plate * coolant_c
    weight = to_air / below
    new_case_c = (case_inertia * case_c + other_w + out_w_per_k * inlet_c + _sums(weight, above_w)) / (
        case_inertia + out_w_per_k + _sums(weight, besides_air)
    )
    new_sink_c = (above_w + to_air * new_case_c) / below
    return Warmed(
        sink_c=new_sink_c,
        case_c=new_case_c,
        air_w=out_w_per_k * (new_case_c - inlet_c),
        coolant_w=_sums(to_plate, new_sink_c - coolant_c),
    )


def _sums(one: Array, other: Array) -> Array:
    """Over the components of each server, of the products; shape (n,)."""
    return np.asarray((one * other).sum(axis=0))


def stored_j(paths: HeatPaths, sink_c: Array, case_c: Array) -> Array:
    """Heat in each server above 0 °C; shape (n,)."""
    held_j: Array = (paths.capacity_j_per_k * sink_c).sum(axis=0) + paths.case_capacity_j_per_k * case_c
    return held_j
