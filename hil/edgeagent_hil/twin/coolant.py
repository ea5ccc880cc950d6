"""Coolant loops: a cooling distribution unit (CDU) between cold plates and the building's water.

The heat exchanger is a plate one in counterflow, by effectiveness and number of transfer units (Kays and
London, Compact Heat Exchangers; Incropera, ch. 11.4):

    NTU = UA/C_min,  r = C_min/C_max,  ε = (1 − e^(−NTU·(1−r))) / (1 − r·e^(−NTU·(1−r)))
    q_max = ε·C_min·(T_return − T_water)

A valve lets through as much as keeps the supply at its setpoint, up to q_max. The pump follows the
affinity laws. The building's water comes from a cooling tower, `approach_k` above the wet bulb.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from edgeagent_hil.twin.units import WATER_J_PER_KG_K, WATER_KG_PER_L, Array


@dataclass(frozen=True)
class Loops:
    """The constants of k coolant loops; shape (k,).

    Attributes:
        coolant_w_per_k, water_w_per_k: heat capacity rates of the coolant at full pump speed, and of the
            building's water.
        ua_w_per_k: conductance of the heat exchanger.
        capacity_j_per_k: of the coolant and the pipes that hold it.
        pump_w: at full speed.
        approach_k: of the cooling tower.
        tower_share: power of tower fans and the building's pumps, as a share of the heat rejected.
    """

    coolant_w_per_k: Array
    water_w_per_k: Array
    ua_w_per_k: Array
    capacity_j_per_k: Array
    pump_w: Array
    approach_k: Array
    tower_share: Array

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.pump_w)


@dataclass(frozen=True)
class LoopState:
    """Shape (k,): temperature of the coolant that returns, and of that which is supplied."""

    return_c: Array
    supply_c: Array


@dataclass(frozen=True)
class LoopInputs:
    """What is done to loops during a step.

    Attributes:
        pump_share: shape (k,), speed of the pump as a share of the highest, above 0.
        setpoint_c: shape (k,), for the supply.
        wet_bulb_c: of the air outdoors.
    """

    pump_share: Array
    setpoint_c: Array
    wet_bulb_c: float


class LoopOutputs(NamedTuple):
    """What loops did in a step; shape (k,): heat given to the building's water, power of pump and tower."""

    rejected_w: Array
    pump_w: Array
    tower_w: Array


def loops(
    heat_w: Array,
    *,
    rise_k: float = 10.0,
    approach_k: float = 4.0,
    exchange_k: float = 3.0,
    volume_s: float = 60.0,
    pump_share: float = 0.0085,
    tower_share: float = 0.02,
) -> Loops:
    """Loops sized for so much heat each, as a designer would.

    Args:
        heat_w: shape (k,), design heat.
        rise_k: of the coolant and of the building's water at design heat.
        approach_k: of the cooling tower to the wet bulb.
        exchange_k: mean temperature difference in the heat exchanger at design heat.
        volume_s: time in which the pump moves all coolant once.
        pump_share: power of the pump per design heat. Source: the 25 CDUs of Frontier draw 8.5 kW each and
            carry about 1 MW each (ExaDigiT/RAPS, config/frontier/power.json, POWER_CDUS).
        tower_share: fans and pumps of the tower side per heat. An estimate for a warm-water plant: Frontier
            runs at a PUE near 1.03 (ORNL), which pump and tower share.
    """
    rate_w_per_k = np.asarray(heat_w, float) / rise_k
    return Loops(
        coolant_w_per_k=rate_w_per_k,
        water_w_per_k=rate_w_per_k,
        ua_w_per_k=heat_w / exchange_k,
        capacity_j_per_k=rate_w_per_k * volume_s,
        pump_w=heat_w * pump_share,
        approach_k=np.full_like(rate_w_per_k, approach_k),
        tower_share=np.full_like(rate_w_per_k, tower_share),
    )


def flow_l_per_min(loops: Loops, pump_share: Array) -> Array:
    """Coolant that the pumps move; shape (k,)."""
    kg_per_s = loops.coolant_w_per_k * pump_share / WATER_J_PER_KG_K
    return np.asarray(kg_per_s / WATER_KG_PER_L * 60)


def effectiveness(ua_w_per_k: Array, one_w_per_k: Array, other_w_per_k: Array) -> Array:
    """ε of a counterflow heat exchanger between two streams of heat capacity rate `one` and `other`."""
    least, most = np.minimum(one_w_per_k, other_w_per_k), np.maximum(one_w_per_k, other_w_per_k)
    # For equal streams the formula is 0/0, so they are taken to differ by a billionth; 1 − e^(−x) as one
    # function keeps all digits there.
    uneven = np.maximum(1 - least / most, 1e-9)
    passed = -np.expm1(-ua_w_per_k / least * uneven)
    share: Array = passed / (uneven + (1 - uneven) * passed)
    return share


def plate_share(pump_share: Array) -> Array:
    """What cold plates conduct, as a share of that at full flow; shape (k,). The flow in them is turbulent:
    Nu ∝ Re^0.8 (Dittus and Boelter)."""
    return np.asarray(pump_share**0.8)


def at_temperature(loops: Loops, supply_c: float) -> LoopState:
    """Loops that have stood at one temperature."""
    return LoopState(np.full(loops.count, supply_c), np.full(loops.count, supply_c))


def step_loops(
    loops: Loops, state: LoopState, inputs: LoopInputs, heat_w: Array, dt_s: float
) -> tuple[LoopState, LoopOutputs]:
    """One implicit step, in closed form.

    Args:
        heat_w: shape (k,), from the cold plates; the pump's own power comes on top.
    """
    coolant = loops.coolant_w_per_k * inputs.pump_share
    water = loops.water_w_per_k
    pump_w = loops.pump_w * inputs.pump_share**3
    most = effectiveness(loops.ua_w_per_k, coolant, water) * np.minimum(coolant, water)
    water_c = inputs.wet_bulb_c + loops.approach_k
    inertia = loops.capacity_j_per_k / dt_s
    gained_w = inertia * state.return_c + heat_w + pump_w
    # What is taken out is the least of: all that the exchanger can, and what the valve lets through; and
    # never less than nothing. Each alone gives a temperature, and the least heat the greatest of them.
    exchanger_c = (gained_w + most * water_c) / (inertia + most)
    valve_c = (gained_w + coolant * inputs.setpoint_c) / (inertia + coolant)
    return_c = np.minimum(np.maximum(exchanger_c, valve_c), gained_w / inertia)
    rejected_w = gained_w - inertia * return_c
    return LoopState(return_c, return_c - rejected_w / coolant), LoopOutputs(
        rejected_w=rejected_w,
        pump_w=pump_w,
        tower_w=loops.tower_share * rejected_w,
    )
