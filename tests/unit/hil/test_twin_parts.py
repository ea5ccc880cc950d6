"""Fans, losses, coolant loops, room and battery of the twin, each alone."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeagent_hil.twin import kinds
from edgeagent_hil.twin.battery import Battery, step_battery
from edgeagent_hil.twin.coolant import (
    LoopInputs,
    Loops,
    LoopState,
    at_temperature,
    effectiveness,
    flow_l_per_min,
    loops,
    step_loops,
)
from edgeagent_hil.twin.fans import fan_bank, flow_m3_per_s, power_w, spun_share, wanted_share
from edgeagent_hil.twin.layout import Layout
from edgeagent_hil.twin.losses import loss_coefficients, loss_w
from edgeagent_hil.twin.room import performance, room, step_room
from edgeagent_hil.twin.units import WATER_J_PER_KG_K
from tests.unit.hil.twins import data

_FANS = fan_bank(Layout([kinds.load("x3550m3")], [1]))
_ON = np.ones(1)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_the_affinity_laws(share: float) -> None:
    at = np.array([share])
    assert flow_m3_per_s(_FANS, at, np.zeros(1)) == pytest.approx(0.035 * share)
    assert power_w(_FANS, at, np.zeros(1), _ON) == pytest.approx(60 * share**3)


@pytest.mark.parametrize(
    ("hottest_c", "duty", "share"),
    [(20, np.nan, 0.3), (50, np.nan, 0.3), (65, np.nan, 0.65), (80, np.nan, 1.0), (99, 0.4, 0.4)],
)
def test_fans_follow_heat_or_command(hottest_c: float, duty: float, share: float) -> None:
    wanted = wanted_share(_FANS, np.array([hottest_c]), np.array([duty]))
    assert wanted == pytest.approx(share)
    assert spun_share(_FANS, np.zeros(1), wanted, _ON, 1e6) == pytest.approx(share, rel=1e-5)
    assert spun_share(_FANS, wanted, wanted, np.zeros(1), 1e6) == pytest.approx(0, abs=1e-5)


def test_a_stalled_fan_blows_and_draws_nothing() -> None:
    half = np.array([0.5])
    assert flow_m3_per_s(_FANS, _ON, half) == pytest.approx(0.035 / 2)
    assert power_w(_FANS, _ON, half, _ON) == pytest.approx(30)


@pytest.mark.parametrize(
    "efficiency",
    [kinds.load(name).supply.efficiency for name in kinds.names()],
    ids=kinds.names(),
)
def test_losses_give_the_published_efficiencies_back(efficiency: tuple[tuple[float, float], ...]) -> None:
    coefficients = loss_coefficients(efficiency)
    assert (coefficients >= 0).all()
    for share, eta in efficiency:
        (lost,) = loss_w(np.array([share]), _ON, coefficients)
        assert share / (share + lost) == pytest.approx(eta, abs=0.012)


@given(ua=st.floats(1, 1e6), one=st.floats(1, 1e5), other=st.floats(1, 1e5))
def test_effectiveness_agrees_with_the_logarithmic_mean_temperature_difference(
    ua: float, one: float, other: float
) -> None:
    (eps,) = effectiveness(np.array([ua]), np.array([one]), np.array([other]))
    assert 0 < eps <= 1
    heat = eps * min(one, other) * 100.0  # hot side in at 100 °C, cold side in at 0 °C
    ends = 100 - heat / other, (100 - heat / one) - 0  # hot in − cold out, hot out − cold in
    if min(ends) > 1e-3:  # beyond, the logarithm loses all digits
        ratio = ends[0] / ends[1]
        mean = ends[1] if abs(ratio - 1) < 1e-9 else (ends[0] - ends[1]) / np.log(ratio)
        assert heat == pytest.approx(ua * mean, rel=1e-3)


def _settle(plant: Loops, inputs: LoopInputs, heat_w: float) -> tuple[LoopState, float]:
    state = at_temperature(plant, 20.0)
    for _ in range(100):
        state, out = step_loops(plant, state, inputs, np.array([heat_w]), 60.0)
    return state, float(out.rejected_w[0])


def test_a_loop_holds_its_setpoint_until_the_exchanger_gives_out() -> None:
    plant = loops(np.array([1e6]))
    mild = LoopInputs(np.ones(1), np.array([32.0]), wet_bulb_c=15.0)
    state, rejected_w = _settle(plant, mild, 1e6)
    assert state.supply_c[0] == pytest.approx(32.0)
    assert rejected_w == pytest.approx(1e6 + 8500)
    coolant = plant.coolant_w_per_k[0]
    assert flow_l_per_min(plant, np.ones(1)) == pytest.approx(1e6 / 10 / WATER_J_PER_KG_K / 0.994 * 60)
    assert state.return_c[0] - state.supply_c[0] == pytest.approx(rejected_w / coolant)
    hot = replace(mild, wet_bulb_c=32.0)
    state, rejected_w = _settle(plant, hot, 1e6)
    assert state.supply_c[0] > 36.0, "water of 36 °C cannot cool to 32 °C"
    assert rejected_w == pytest.approx(1e6 + 8500)
    eps = effectiveness(plant.ua_w_per_k, np.array([coolant]), np.array([coolant]))[0]
    assert state.return_c[0] == pytest.approx(36 + rejected_w / (eps * coolant))


@given(
    heat_w=st.floats(0, 2e6),
    wet_bulb_c=st.floats(-10, 40),
    pump_share=st.floats(0.1, 1),
    return_c=st.floats(10, 70),
    dt_s=st.floats(0.1, 1e4),
)
def test_a_loop_loses_no_heat_and_never_heats_itself_from_the_tower(
    heat_w: float, wet_bulb_c: float, pump_share: float, return_c: float, dt_s: float
) -> None:
    plant = loops(np.array([1e6]))
    inputs = LoopInputs(np.array([pump_share]), np.array([32.0]), wet_bulb_c)
    before = at_temperature(plant, return_c)
    state, out = step_loops(plant, before, inputs, np.array([heat_w]), dt_s)
    kept_j = plant.capacity_j_per_k * (state.return_c - before.return_c)
    came_j = (heat_w + out.pump_w) * dt_s
    assert (came_j - out.rejected_w * dt_s - kept_j)[0] == pytest.approx(
        0, abs=1e-9 * (came_j[0] + plant.capacity_j_per_k[0] * 100)
    )
    assert out.rejected_w[0] >= -1e-6


def test_the_cdus_of_a_real_machine_keep_their_setpoint() -> None:
    """16 h of the 25 CDUs of a leadership-class machine; its loops are sized for the heat they carried."""
    with data("liquid_cooling/cdu_power_16h.csv").open() as file:
        rows = list(csv.DictReader(file))[::4]  # one a minute
    heat_w = np.array([[float(row[f"cdu{i}_power_w"]) for i in range(1, 26)] for row in rows])
    plant = loops(np.percentile(heat_w, 99, axis=0))
    state = at_temperature(plant, 32.0)
    supply_c, rejected_j, pump_j = [], 0.0, 0.0
    for row, heat in zip(rows, heat_w, strict=True):
        inputs = LoopInputs(np.ones(25), np.full(25, 32.0), float(row["wetbulb_c"]))
        state, out = step_loops(plant, state, inputs, heat, 60.0)
        supply_c.append(state.supply_c)
        rejected_j += out.rejected_w.sum() * 60
        pump_j += out.pump_w.sum() * 60
    assert np.abs(np.array(supply_c) - 32.0).max() < 0.01
    came_j = heat_w.sum() * 60 + pump_j
    stored_j = (plant.capacity_j_per_k * (state.return_c - 32.0)).sum()
    assert rejected_j + stored_j == pytest.approx(came_j, rel=1e-9)
    assert (state.return_c - state.supply_c).max() < 12.0


def test_a_room_holds_its_setpoint_until_the_capacity_is_used_up() -> None:
    place = room(100e3)
    held = step_room(place, 24.0, 24.0, 100e3, 1.0)
    assert (held.supply_c, held.rejected_w) == pytest.approx((24.0, 100e3))
    assert held.power_w == pytest.approx(100e3 / (0.0068 * 576 + 0.0008 * 24 + 0.458))
    over = step_room(place, 24.0, 24.0, 230e3, 10.0)
    assert over.rejected_w == pytest.approx(130e3)
    assert over.supply_c == pytest.approx(24 + 100e3 * 10 / place.capacity_j_per_k)
    assert step_room(place, 20.0, 24.0, 1e3, 1.0).rejected_w == 0.0


def test_warmer_air_is_cheaper_to_supply() -> None:
    assert performance(15) == pytest.approx(2.0, abs=0.01)  # the paper's example: 2.0 at 15 °C
    assert performance(20) == pytest.approx(3.19, abs=0.01)


@given(
    wanted=st.lists(st.floats(-2e5, 2e5), min_size=1, max_size=30),
    dt_s=st.sampled_from([0.1, 1.0, 60.0, 3600.0]),
)
def test_a_battery_makes_no_energy(wanted: list[float], dt_s: float) -> None:
    battery = Battery(capacity_j=3.6e8, power_max_w=1e5)
    held_j, taken_j, lost_j = 1.8e8, 0.0, 0.0
    for order_w in wanted:
        done = step_battery(battery, held_j, order_w, dt_s)
        held_j = done.held_j
        taken_j += done.power_w * dt_s
        lost_j += done.loss_w * dt_s
        assert -1.0 <= held_j <= battery.capacity_j + 1.0
        assert abs(done.power_w) <= battery.power_max_w
        assert done.loss_w >= 0
    assert taken_j == pytest.approx(held_j - 1.8e8 + lost_j, abs=1.0)


def test_no_battery_does_nothing() -> None:
    assert step_battery(Battery(), 0.0, 5e3, 1.0) == (0.0, 0.0, 0.0)
