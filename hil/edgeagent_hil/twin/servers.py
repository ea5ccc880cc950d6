"""Servers: chips, fans, power supply and heat of n machines in one step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from edgeagent_hil.twin.chips import Chips, allowed_w, averaged_w, chips, operate
from edgeagent_hil.twin.fans import (
    FanBank,
    conductance_share,
    fan_bank,
    flow_m3_per_s,
    power_w,
    spun_share,
    wanted_share,
)
from edgeagent_hil.twin.heat import HeatPaths, heat_paths, stored_j, warm
from edgeagent_hil.twin.kinds import Kind
from edgeagent_hil.twin.layout import Layout
from edgeagent_hil.twin.supplies import Supplies, supplies, supply_loss_w
from edgeagent_hil.twin.units import Array, Flags, Indices


@dataclass(frozen=True)
class Servers:
    """The constants of n servers of up to c components.

    Attributes:
        kinds: what there is.
        kind: shape (n,), index into `kinds`.
        board_w: shape (n,).
    """

    kinds: tuple[Kind, ...]
    kind: Indices
    chips: Chips
    fans: FanBank
    heat: HeatPaths
    supplies: Supplies
    board_w: Array

    @property
    def shape(self) -> tuple[int, int]:
        """Components, servers."""
        components, count = self.chips.exists.shape
        return components, count

    def kind_of(self, server: int) -> Kind:
        """What server number `server` is."""
        return self.kinds[int(self.kind[server])]


@dataclass(frozen=True)
class ServerState:
    """What n servers carry from step to step.

    Attributes:
        sink_c, junction_c, average_w: shape (c, n).
        case_c, fan_share: shape (n,).
        off: shape (n,), which have switched themselves off for their heat.
    """

    sink_c: Array
    junction_c: Array
    average_w: Array
    case_c: Array
    fan_share: Array
    off: Flags


@dataclass(frozen=True)
class ServerInputs:
    """What is done to n servers during a step.

    Attributes:
        demand: shape (c, n), work to do as a share of what all cores do at the highest clock.
        clock_max_hz, cap_w: shape (c, n), limits of clock and power.
        fan_duty: shape (n,), 0 to 1; NaN leaves it to the server's controller.
        fan_stalled: shape (n,), share of the fans that stand still.
        fouling: shape (n,), 0 for clean; 0.5 for dust that adds half of the clean resistance to the air.
        inlet_offset_k: shape (n,), how much warmer than the room the air is that comes in.
        switch_on: shape (n,), which of those that are off are switched on again. A cut of the power does
            that as well.
    """

    demand: Array
    clock_max_hz: Array
    cap_w: Array
    fan_duty: Array
    fan_stalled: Array
    fouling: Array
    inlet_offset_k: Array
    switch_on: Flags


class ServerOutputs(NamedTuple):
    """What n servers did in a step; means over it.

    Attributes:
        power_w, clock_hz, work, limited: shape (c, n), as in `chips.Operation`.
        junction_c: shape (c, n), after the step.
        dc_w, ac_w, fan_w: shape (n,).
        fan_speed_rpm, fan_stalled: shape (n,), of the fans that turn, and the share of those that do not.
        inlet_c, case_c: shape (n,); air leaves with `case_c`.
        air_w, coolant_w: shape (n,), heat given to air and coolant.
    """

    power_w: Array
    clock_hz: Array
    work: Array
    limited: Array
    junction_c: Array
    dc_w: Array
    ac_w: Array
    fan_w: Array
    fan_speed_rpm: Array
    fan_stalled: Array
    inlet_c: Array
    case_c: Array
    air_w: Array
    coolant_w: Array


def servers(kinds: Sequence[Kind], counts: Sequence[int], rng: np.random.Generator | None = None) -> Servers:
    """`counts[i]` servers of `kinds[i]`, one kind after the other; with `rng` no two are quite alike."""
    layout = Layout(kinds, counts, rng)
    return Servers(
        kinds=layout.kinds,
        kind=layout.kind,
        chips=chips(layout),
        fans=fan_bank(layout),
        heat=heat_paths(layout),
        supplies=supplies(layout),
        board_w=layout.servers(lambda kind: kind.board_w),
    )


def cold(servers: Servers, ambient_c: float) -> ServerState:
    """Servers that have stood without power in a room of `ambient_c`."""
    components, count = servers.shape
    return ServerState(
        sink_c=np.full((components, count), ambient_c),
        junction_c=np.full((components, count), ambient_c),
        average_w=np.zeros((components, count)),
        case_c=np.full(count, ambient_c),
        fan_share=servers.fans.share_min,
        off=np.zeros(count, bool),
    )


def at_rest(servers: Servers) -> ServerInputs:
    """No work, no limits, clean, fans left to their controllers."""
    components, count = servers.shape
    return ServerInputs(
        demand=np.zeros((components, count)),
        clock_max_hz=servers.chips.clock_hz[-1],
        cap_w=servers.chips.cap_max_w,
        fan_duty=np.full(count, np.nan),
        fan_stalled=np.zeros(count),
        fouling=np.zeros(count),
        inlet_offset_k=np.zeros(count),
        switch_on=np.zeros(count, bool),
    )


def step_servers(
    servers: Servers,
    state: ServerState,
    inputs: ServerInputs,
    *,
    fed: Flags,
    room_c: float,
    coolant_c: Array,
    plate_share: Array,
    dt_s: float,
) -> tuple[ServerState, ServerOutputs]:
    """One step.

    Args:
        fed: shape (n,), whose supplies have power.
        coolant_c: shape (n,), of the loop that each is on.
        plate_share: shape (n,), from `coolant.plate_share`.
    """
    stays_off = state.off & fed & ~inputs.switch_on
    powered = np.asarray(fed & ~stays_off, float)
    allow_w = allowed_w(servers.chips, inputs.cap_w, state.average_w, dt_s)
    done = operate(servers.chips, inputs.demand, inputs.clock_max_hz, allow_w, state.junction_c, powered)
    wanted = wanted_share(servers.fans, state.junction_c.max(axis=0), inputs.fan_duty)
    fan_share = spun_share(servers.fans, state.fan_share, wanted, powered, dt_s)
    fan_w = power_w(servers.fans, fan_share, inputs.fan_stalled, powered)
    dc_w = done.power_w.sum(axis=0) + servers.board_w * powered + fan_w
    lost_w = supply_loss_w(servers.supplies, dc_w, powered)
    inlet_c = room_c + inputs.inlet_offset_k
    warmed = warm(
        servers.heat,
        state.sink_c,
        state.case_c,
        chip_w=done.power_w,
        other_w=servers.board_w * powered + fan_w + lost_w,
        air_share=conductance_share(servers.fans, fan_share, inputs.fan_stalled),
        plate_share=plate_share,
        clean_share=1 / (1 + inputs.fouling),
        flow_m3_per_s=flow_m3_per_s(servers.fans, fan_share, inputs.fan_stalled),
        inlet_c=inlet_c,
        coolant_c=coolant_c,
        dt_s=dt_s,
    )
    junction_c = warmed.sink_c + servers.chips.junction_k_per_w * done.power_w
    new = ServerState(
        sink_c=warmed.sink_c,
        junction_c=junction_c,
        average_w=averaged_w(servers.chips, state.average_w, done.power_w, dt_s),
        case_c=warmed.case_c,
        fan_share=fan_share,
        off=stays_off | (junction_c >= servers.chips.shutdown_c).any(axis=0),
    )
    return new, ServerOutputs(
        *done,
        junction_c=junction_c,
        dc_w=dc_w,
        ac_w=dc_w + lost_w,
        fan_w=fan_w,
        fan_speed_rpm=servers.fans.speed_max_rpm * fan_share,
        fan_stalled=inputs.fan_stalled,
        inlet_c=inlet_c,
        case_c=warmed.case_c,
        air_w=warmed.air_w,
        coolant_w=warmed.coolant_w,
    )


def heat_j(servers: Servers, state: ServerState) -> float:
    """Heat stored in all servers, above 0 °C."""
    return float(stored_j(servers.heat, state.sink_c, state.case_c).sum())
