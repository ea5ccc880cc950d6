"""A site: servers in racks, the air and the loops that cool them, and the grid that feeds all of it.

    state, outputs = step(site, state, inputs, dt_s)

is pure: equal arguments give equal results, and nothing is changed in place. Parts act on what the others
did in the step before (a breaker that trips cuts the power from the next step on); what flows between them
within a step is the same number on both sides, so no energy is made or lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from edgeagent_hil.twin.battery import Battery, BatteryStep, step_battery
from edgeagent_hil.twin.breakers import Breakers, BreakerState, carry, closed
from edgeagent_hil.twin.coolant import (
    LoopInputs,
    LoopOutputs,
    Loops,
    LoopState,
    at_temperature,
    plate_share,
    step_loops,
)
from edgeagent_hil.twin.losses import loss_w
from edgeagent_hil.twin.racks import ALIVE_V, RackOutputs, Racks, step_racks
from edgeagent_hil.twin.room import Room, RoomOutputs, step_room
from edgeagent_hil.twin.servers import (
    ServerInputs,
    ServerOutputs,
    Servers,
    ServerState,
    at_rest,
    cold,
    heat_j,
    step_servers,
)
from edgeagent_hil.twin.units import Array, Flags, Indices

#: Equipment runs on down to this share of the nominal voltage. Source: ITIC curve (0.5 s), SEMI F47.
_DROPOUT_SHARE: Final = 0.7

_PHASES: Final = 3


@dataclass(frozen=True)
class Site:
    """The constants of a site.

    Attributes:
        loop_of_server: shape (n,), which coolant loop each server is on.
        main: shape (1,), the breaker between the transformer and the racks; cooling has a feeder of its own.
        conversion_rated_w, conversion_loss: transformer and uninterruptible supply in front of the racks, as
            in `losses`; the latter of shape (3,).
        nominal_v: line to neutral.
    """

    servers: Servers
    racks: Racks
    loops: Loops
    loop_of_server: Indices
    room: Room
    main: Breakers
    conversion_rated_w: float
    conversion_loss: Array
    battery: Battery
    nominal_v: float


@dataclass(frozen=True)
class SiteState:
    """What a site carries from step to step.

    Attributes:
        time_s: since the beginning.
        grid_j: shape (3,), energy taken from each phase of the grid, and `exported_j` given back.
        server_j: shape (n,), energy that each server has taken.
        part_j: shape (c, n), energy that each component has taken.
        over_limit_s: how long the site has drawn more than its connection allows.
    """

    time_s: float
    servers: ServerState
    racks: BreakerState
    main: BreakerState
    loops: LoopState
    room_c: float
    battery_j: float
    grid_j: Array
    exported_j: Array
    server_j: Array
    part_j: Array
    over_limit_s: float


@dataclass(frozen=True)
class SiteInputs:
    """What is done to a site during a step.

    Attributes:
        rack_close, main_close: shape (r,) and (1,), breakers that are told to close.
        grid_v, grid_hz: shape (3,) line to neutral, and frequency.
        limit_w: what the grid connection allows; a curtailment order lowers it. Nothing enforces it but
            whoever steers the site.
        battery_w: charge (negative: discharge).
    """

    servers: ServerInputs
    loops: LoopInputs
    rack_close: Flags
    main_close: Flags
    room_setpoint_c: float
    grid_v: Array
    grid_hz: float
    limit_w: float
    battery_w: float


class SiteOutputs(NamedTuple):
    """What a site did in a step; means over it.

    Attributes:
        conversion_loss_w: of transformer and uninterruptible supply.
        grid_phase_w, grid_phase_va, grid_current_a: shape (3,), at the connection.
        main_current_a: shape (3,), through the main breaker.
        grid_w: all phases; negative where the battery gives more than the site takes.
        it_w: at the inputs of the servers' power supplies.
        rejected_w: heat that has left the site.
        pue: power usage effectiveness (ISO/IEC 30134-2, category 3): all power but the battery's over
            `it_w`; NaN without any.
        over_limit_w: how much more than allowed was drawn.
    """

    servers: ServerOutputs
    racks: RackOutputs
    loops: LoopOutputs
    room: RoomOutputs
    battery: BatteryStep
    conversion_loss_w: float
    grid_phase_w: Array
    grid_phase_va: Array
    grid_current_a: Array
    main_current_a: Array
    grid_v: Array
    grid_hz: float
    grid_w: float
    it_w: float
    rejected_w: float
    pue: float
    over_limit_w: float


def start(site: Site, *, ambient_c: float = 24.0, coolant_c: float = 32.0) -> SiteState:
    """A site that is switched on: everything cold, every breaker closed, the battery half full."""
    return SiteState(
        time_s=0.0,
        servers=cold(site.servers, ambient_c),
        racks=closed(site.racks.breakers),
        main=closed(site.main),
        loops=at_temperature(site.loops, coolant_c),
        room_c=ambient_c,
        battery_j=site.battery.capacity_j / 2,
        grid_j=np.zeros(_PHASES),
        exported_j=np.zeros(_PHASES),
        server_j=np.zeros(site.servers.shape[1]),
        part_j=np.zeros(site.servers.shape),
        over_limit_s=0.0,
    )


def calm(site: Site) -> SiteInputs:
    """No work, no limits, no orders, mild weather, a steady grid."""
    return SiteInputs(
        servers=at_rest(site.servers),
        loops=LoopInputs(np.ones(site.loops.count), np.full(site.loops.count, 32.0), wet_bulb_c=18.0),
        rack_close=np.zeros(site.racks.count, bool),
        main_close=np.zeros(1, bool),
        room_setpoint_c=24.0,
        grid_v=np.full(_PHASES, site.nominal_v),
        grid_hz=50.0,
        limit_w=np.inf,
        battery_w=0.0,
    )


def step(site: Site, state: SiteState, inputs: SiteInputs, dt_s: float) -> tuple[SiteState, SiteOutputs]:
    """One step of `dt_s` seconds; 1 s is fine enough for everything that the twin models."""
    alive = inputs.grid_v >= _DROPOUT_SHARE * site.nominal_v
    servers, done = step_servers(
        site.servers,
        state.servers,
        inputs.servers,
        fed=_fed(site, state, alive),
        room_c=state.room_c,
        coolant_c=state.loops.supply_c[site.loop_of_server],
        plate_share=plate_share(inputs.loops.pump_share)[site.loop_of_server],
        dt_s=dt_s,
    )
    rack_breakers, rack = step_racks(
        site.racks, state.racks, done.ac_w, inputs.grid_v, inputs.rack_close, dt_s
    )
    loop_w = np.asarray(
        np.bincount(site.loop_of_server, weights=done.coolant_w, minlength=site.loops.count), float
    )
    loops, loop = step_loops(site.loops, state.loops, inputs.loops, loop_w, dt_s)
    room_w = float(done.air_w.sum() + rack.loss_w.sum())
    room = step_room(site.room, state.room_c, inputs.room_setpoint_c, room_w, dt_s)
    battery = step_battery(site.battery, state.battery_j, inputs.battery_w, dt_s)
    outputs = _account(site, inputs, alive, done, rack, loop, room, battery)
    phase_j = outputs.grid_phase_w * dt_s
    return SiteState(
        time_s=state.time_s + dt_s,
        servers=servers,
        racks=rack_breakers,
        main=carry(site.main, state.main, outputs.main_current_a.reshape(-1, 1), inputs.main_close, dt_s),
        loops=loops,
        room_c=room.supply_c,
        battery_j=battery.held_j,
        grid_j=state.grid_j + np.maximum(phase_j, 0.0),
        exported_j=state.exported_j + np.maximum(-phase_j, 0.0),
        server_j=state.server_j + done.ac_w * dt_s,
        part_j=state.part_j + done.power_w * dt_s,
        over_limit_s=state.over_limit_s + dt_s * (outputs.over_limit_w > 0),
    ), outputs


def stored_j(site: Site, state: SiteState) -> float:
    """Energy that the site holds: heat above 0 °C, and the battery's charge."""
    return (
        heat_j(site.servers, state.servers)
        + float(site.loops.capacity_j_per_k @ state.loops.return_c)
        + site.room.capacity_j_per_k * state.room_c
        + state.battery_j
    )


def _fed(site: Site, state: SiteState, alive: Flags) -> Flags:
    """Which servers have power, shape (n,): those with both breakers closed and their phase alive."""
    fed = state.racks.closed[site.racks.of_server] & alive[site.racks.phase_of_server]
    return np.asarray(fed & state.main.closed[0])


def _account(
    site: Site,
    inputs: SiteInputs,
    alive: Flags,
    done: ServerOutputs,
    rack: RackOutputs,
    loop: LoopOutputs,
    room: RoomOutputs,
    battery: BatteryStep,
) -> SiteOutputs:
    """What all parts together take from the grid, and where it goes."""
    phase_w, phase_var = rack.phase_w.sum(axis=1), rack.phase_var.sum(axis=1)
    converted_w = float(loss_w(float(phase_w.sum()), site.conversion_rated_w, site.conversion_loss))
    tower_w = float(loop.tower_w.sum())
    cooling_w = float(loop.pump_w.sum()) + tower_w + room.power_w
    it_w = float(done.ac_w.sum())
    # What has no phase of its own is a three-phase load without reactive power, on all phases that are alive.
    # While none is, something else keeps the cooling running, and the meter counts it all the same.
    carries = alive if alive.any() else ~alive
    grid_phase_w = phase_w + carries * (
        (converted_w + cooling_w + battery.power_w) / np.count_nonzero(carries)
    )
    grid_phase_va = np.hypot(grid_phase_w, phase_var)
    volt_v = np.maximum(inputs.grid_v, ALIVE_V)
    grid_w = float(grid_phase_w.sum())
    return SiteOutputs(
        servers=done,
        racks=rack,
        loops=loop,
        room=room,
        battery=battery,
        conversion_loss_w=converted_w,
        grid_phase_w=grid_phase_w,
        grid_phase_va=grid_phase_va,
        grid_current_a=grid_phase_va / volt_v * alive,
        main_current_a=np.hypot(phase_w, phase_var) / volt_v,
        grid_v=inputs.grid_v,
        grid_hz=inputs.grid_hz,
        grid_w=grid_w,
        it_w=it_w,
        rejected_w=float(loop.rejected_w.sum())
        + tower_w
        + room.rejected_w
        + room.power_w
        + converted_w
        + battery.loss_w,
        pue=(grid_w - battery.power_w) / it_w if it_w > 0 else float("nan"),
        over_limit_w=max(0.0, grid_w - inputs.limit_w),
    )
