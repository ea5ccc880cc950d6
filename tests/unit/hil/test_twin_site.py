"""A whole site of the twin: energy, breakers, voltage, limits, determinism."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeagent_hil.twin import Site, calm, design, kinds, start, step, stored_j
from edgeagent_hil.twin.battery import Battery
from edgeagent_hil.twin.workload import Workload
from tests.bench.plaintwin import PlainServer
from tests.unit.hil.twins import after, plant, settled, working

_MIXED = design.site(
    [kinds.load("x3550m3"), kinds.load("ex235a"), kinds.load("rk3399")],
    [4, 3, 2],
    seed=5,
    per_rack=4,
    racks_per_loop=2,
    battery=Battery(capacity_j=1e8, power_max_w=5e3),
)


@settings(max_examples=50)
@given(
    demands=st.lists(st.floats(0, 1), min_size=9, max_size=9),
    cap_w=st.floats(50, 600),
    stalled=st.floats(0, 1),
    battery_w=st.floats(-6e3, 6e3),
    wet_bulb_c=st.floats(-5, 35),
    voltage_v=st.sampled_from([0.0, 100.0, 200.0, 230.0, 250.0]),
    dt_s=st.sampled_from([0.01, 1.0, 60.0, 3600.0]),
)
def test_energy_is_neither_made_nor_lost(
    demands: list[float],
    cap_w: float,
    stalled: float,
    battery_w: float,
    wet_bulb_c: float,
    voltage_v: float,
    dt_s: float,
) -> None:
    inputs = working(
        _MIXED,
        np.array(demands),
        cap_w=np.full(_MIXED.servers.shape, cap_w),
        fan_stalled=np.full(9, stalled),
    )
    inputs = replace(
        inputs,
        battery_w=battery_w,
        grid_v=np.array([230.0, voltage_v, 230.0]),
        loops=replace(inputs.loops, wet_bulb_c=wet_bulb_c),
    )
    state = start(_MIXED)
    for _ in range(4):
        before_j = stored_j(_MIXED, state)
        imported_j = (state.grid_j - state.exported_j).sum()
        state, outputs = step(_MIXED, state, inputs, dt_s)
        kept_j = stored_j(_MIXED, state) - before_j
        came_j, left_j = outputs.grid_w * dt_s, outputs.rejected_w * dt_s
        assert came_j - left_j - kept_j == pytest.approx(0, abs=1e-9 * (before_j + abs(came_j) + abs(left_j)))
        assert (state.grid_j - state.exported_j).sum() - imported_j == pytest.approx(came_j, abs=1e-6)


def test_at_rest_all_that_comes_in_goes_out() -> None:
    outputs = settled(_MIXED, working(_MIXED, 0.7), steps=700)
    assert outputs.rejected_w == pytest.approx(outputs.grid_w, rel=1e-6)
    assert outputs.grid_w == pytest.approx(
        outputs.it_w
        + outputs.racks.loss_w.sum()
        + outputs.conversion_loss_w
        + outputs.room.power_w
        + (outputs.loops.pump_w + outputs.loops.tower_w).sum()
    )
    assert outputs.pue == pytest.approx(outputs.grid_w / outputs.it_w)
    assert 1.05 < outputs.pue < 1.4


def test_half_the_step_halves_the_error() -> None:
    def warmed_c(dt_s: float) -> np.ndarray:
        inputs = working(_MIXED, 0.6)
        state, _ = after(_MIXED, start(_MIXED), inputs, round(30 / dt_s), dt_s)
        return np.append(state.servers.junction_c.ravel(), state.loops.return_c)

    exact = warmed_c(1 / 16)
    errors = [np.abs(warmed_c(dt_s) - exact).max() for dt_s in (2.0, 1.0, 0.5)]
    assert errors[1] < 1.0, "a step of one second is good to a kelvin"
    assert all(1.7 < coarse / fine < 2.3 for coarse, fine in pairwise(errors))


def _numbers(value: Any) -> list[float]:
    if is_dataclass(value):
        return [number for field in fields(value) for number in _numbers(getattr(value, field.name))]
    return [float(number) for number in np.ravel(value)]


def _run(seed: int, steps: int = 30) -> list[float]:
    site = plant("v100x4", 5, seed=seed)
    workload = Workload(site.servers.shape, seed)
    state = start(site)
    for _ in range(steps):
        state, _ = step(site, state, working(site, workload.next(1.0)), 1.0)
    return _numbers(state)


def test_equal_seeds_give_equal_runs() -> None:
    assert _run(3) == _run(3)
    assert _run(3) != _run(4)


def test_a_step_changes_nothing_in_place() -> None:
    state, inputs = start(_MIXED), working(_MIXED, 0.5)
    before = _numbers(state)
    step(_MIXED, state, inputs, 1.0)
    assert _numbers(state) == before


def test_one_site_of_two_is_two_sites_of_one() -> None:
    """Servers act upon each other only through what they share, so a batch is just more of them."""
    pair, single = plant(servers=2), plant(servers=1)
    both, one = settled(pair, working(pair, np.array([0.2, 0.9]))), settled(single, working(single, 0.9))
    assert both.servers.power_w[:, 1] == pytest.approx(one.servers.power_w[:, 0], rel=1e-6)
    assert both.servers.junction_c[:, 1] == pytest.approx(one.servers.junction_c[:, 0], rel=1e-6)


def test_an_overloaded_rack_trips_goes_dark_and_comes_back() -> None:
    site = plant("v100x4", 30, per_rack=15, rack_rated_a=25.0)
    busy = working(site, 1.0)
    state, outputs = after(site, start(site), busy, 20)
    assert state.racks.closed.all(), f"{outputs.racks.current_a.max():.0f} A for 20 s is bearable"
    state, _ = after(site, state, busy, 60, 10.0)
    assert not state.racks.closed.any()
    state, dark = after(site, state, busy, 60, 10.0)
    assert dark.it_w == 0.0
    assert not np.any(dark.servers.work)
    assert np.isnan(dark.pue)
    state, _ = after(site, state, replace(busy, rack_close=np.array([True, False])), 1)
    state, back = after(site, state, working(site, 0.1), 1)
    assert state.racks.closed.tolist() == [True, False]
    assert (back.servers.ac_w > 0).tolist() == [True] * 15 + [False] * 15


def test_caps_keep_that_rack_closed() -> None:
    site = plant("v100x4", 30, per_rack=15, rack_rated_a=25.0)
    capped = working(site, 1.0, cap_w=np.full(site.servers.shape, 120.0))
    state, outputs = after(site, start(site), capped, 120, 10.0)
    assert state.racks.closed.all()
    assert outputs.servers.limited.any()


def test_the_designers_breakers_bear_full_load_for_ever() -> None:
    for name in kinds.names():
        site = plant(name, 60)
        state, outputs = after(site, start(site), working(site, 1.0), 100, 60.0)
        assert state.racks.closed.all() and state.main.closed.all(), name
        assert not np.isnan(outputs.pue)


@pytest.mark.parametrize(("voltage_v", "runs"), [(230.0, True), (165.0, True), (155.0, False), (0.0, False)])
def test_servers_ride_through_a_sag_but_not_a_brown_out(voltage_v: float, runs: bool) -> None:
    site = plant(servers=6)
    sag = replace(working(site, 0.5), grid_v=np.array([230.0, voltage_v, 230.0]))
    _, outputs = after(site, start(site), sag, 2)
    assert (outputs.servers.ac_w > 0).tolist() == [True, runs, True] * 2
    assert np.isfinite(outputs.grid_phase_w).all()


def test_less_voltage_means_more_current_for_the_same_power() -> None:
    site = plant(servers=6)
    inputs = working(site, 0.5)
    high = settled(site, inputs)
    low = settled(site, replace(inputs, grid_v=np.full(3, 200.0)))
    assert low.it_w == pytest.approx(high.it_w)
    assert low.grid_current_a == pytest.approx(high.grid_current_a * 230 / 200, rel=0.01)


def test_what_is_drawn_over_the_limit_is_counted() -> None:
    site = plant(servers=6)
    inputs = replace(working(site, 1.0), limit_w=1000.0)
    state, outputs = after(site, start(site), inputs, 60)
    assert outputs.over_limit_w == pytest.approx(outputs.grid_w - 1000.0)
    assert state.over_limit_s > 50
    eased = replace(inputs, servers=calm(site).servers)
    calmer, outputs = after(site, state, eased, 60)
    assert outputs.over_limit_w == 0.0
    assert calmer.over_limit_s - state.over_limit_s < 10


def test_a_battery_takes_from_the_grid_what_it_gives() -> None:
    site = plant(servers=6, battery=Battery(capacity_j=3.6e7, power_max_w=500.0))
    inputs = working(site, 0.5)
    idle = settled(site, inputs)
    giving = after(site, start(site), replace(inputs, battery_w=-500.0), 2)[1]
    alone = after(site, start(site), inputs, 2)[1]
    assert giving.grid_w == pytest.approx(alone.grid_w - 500.0)
    assert giving.pue == pytest.approx(alone.pue)
    assert idle.battery.power_w == 0.0


def test_dust_also_warms_a_board_without_fans() -> None:
    assert _hotter(plant("rk3399"), fouling=np.full(3, 0.5)) > 10.0


def _hotter(site: Site, **changes: Any) -> float:
    usual = settled(site, working(site, 0.1))
    changed = settled(site, working(site, 0.1, **changes))
    return float((changed.servers.junction_c - usual.servers.junction_c).max())


@pytest.mark.parametrize(
    "changes",
    [
        {"fan_duty": np.full(3, 0.2)},
        {"fan_stalled": np.full(3, 0.6)},
        {"fouling": np.full(3, 1.0)},
        {"inlet_offset_k": np.full(3, 10.0)},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_bad_cooling_is_hotter(changes: dict[str, np.ndarray]) -> None:
    assert _hotter(plant(), **changes) > 3.0


def test_heat_throttles_first_then_switches_off_and_a_switch_brings_it_back() -> None:
    site = plant("v100x4", 1)
    state, warm = after(site, start(site), working(site, 1.0), 300)
    hot_inputs = working(site, 1.0, fan_stalled=np.ones(1))
    seen_c, seen_limited = [], False
    while not state.servers.off[0]:
        state, hot = after(site, state, hot_inputs, 1)
        seen_limited |= bool(hot.servers.limited[2:].all())
        seen_c.append(float(hot.servers.junction_c[2:].max()))
    assert seen_limited
    assert max(seen_c) < 92.0
    assert hot.servers.work.min() < warm.servers.work.min()
    state, dark = after(site, state, hot_inputs, 20, 30.0)
    assert dark.it_w == 0.0
    on = replace(working(site, 0.2), servers=replace(working(site, 0.2).servers, switch_on=np.ones(1, bool)))
    assert after(site, state, on, 1)[1].it_w > 0.0


def test_plain_python_comes_to_the_same() -> None:
    """The benchmark's peer: the same physics, written a second time and without arrays."""
    kind = kinds.load("x3550m3")
    site, alone = plant(servers=1), PlainServer(kind, 24.0)
    state = start(site)
    for demand in np.random.default_rng(0).uniform(0, 1, 300):
        state, outputs = step(site, state, working(site, demand), 1.0)
        drawn_w = alone.step(float(demand), float(outputs.servers.inlet_c[0]), 1.0)
        assert drawn_w == pytest.approx(outputs.servers.ac_w[0], rel=1e-9)
    assert alone.junction_c == pytest.approx(outputs.servers.junction_c[:, 0])
