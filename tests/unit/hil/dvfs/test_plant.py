"""Power and heat of a board: by hand, and as the twin has them."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from math import exp

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeagent_hil.dvfs import board
from edgeagent_hil.dvfs.boards import names
from edgeagent_hil.dvfs.plant import Plant
from edgeagent_hil.dvfs.scenario import Activity
from edgeagent_hil.twin.servers import at_rest, cold, step_servers

_RK3399 = board("rk3399")
_PLANT = Plant(_RK3399, 25.0)
_REST = Activity((0, 0, 0), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0))


def test_power_is_the_sum_by_hand() -> None:
    plant = Plant(_RK3399, 25.0)
    little_c, big_c, gpu_c = plant.junction_c
    big = Activity((0, 7, 0), (0.0, 0.5, 0.0), (0.0, 1.5, 0.0))
    power_w, parts_w = plant.draw(big, 0.1)
    # two Cortex-A72 at 1.8 GHz and 1.2 V, busy for three quarters on average while any of them is for half
    switching_w = 1.5 * 436e-12 * 1.8e9 * 1.2**2
    assert parts_w[1] == pytest.approx(0.03 + 0.5 * 0.08 + switching_w + 0.45 * exp((big_c - 83.0) / 28.7))
    share = (0.8 / 1.125) ** 3
    assert parts_w[0] == pytest.approx(0.02 + share * 0.12 * exp((little_c - 83.0) / 28.7))
    share = (0.8 / 1.1) ** 3
    assert parts_w[2] == pytest.approx(0.02 + share * 0.55 * exp((gpu_c - 83.0) / 28.7))
    assert power_w == pytest.approx(2.6 + sum(parts_w))


def test_a_meter_at_the_wall_sees_the_loss_of_the_supply_too() -> None:
    at_dc = Plant(_RK3399, 25.0).draw(_REST, 1.0)[0]
    at_ac = Plant(replace(_RK3399, ac=True), 25.0).draw(_REST, 1.0)[0]
    assert 0.7 < at_dc / at_ac < 0.8  # 9 % of its rating: 79 % or less, level VI


def test_it_settles_where_as_much_heat_goes_as_comes() -> None:
    plant = Plant(_RK3399, 30.0)
    doing = Activity((0, 7, 0), (0.0, 1.0, 0.0), (0.0, 2.0, 0.0))
    plant.settle(doing, 30.0)
    _, parts_w = plant.draw(doing, 1.0)
    at_wall_w = Plant(replace(_RK3399, ac=True), 30.0, before=doing).draw(doing, 1.0)[0]
    assert plant.case_c == pytest.approx(30.0 + at_wall_w / 0.13, abs=1e-3)  # W, and W/K
    assert plant.junction_c[1] == pytest.approx(plant.case_c + parts_w[1] / 0.6, abs=1e-3)


def test_dust_takes_cooling_away() -> None:
    clean, dusty = Plant(_RK3399, 25.0), Plant(_RK3399, 25.0, fouling=1.0)
    assert dusty.case_c - 25.0 == pytest.approx(2 * (clean.case_c - 25.0), rel=0.1)  # leakage grows with it


@pytest.mark.parametrize("name", ["rk3399", "x3550m3"])
def test_it_is_the_twin(name: str) -> None:
    """All cores of all parts busy at the highest clock: the twin's own step tells the same."""
    plant, servers = Plant(board(name), 25.0), board(name).plant
    parts = board(name).parts
    doing = Activity(
        [len(part.clock_hz) - 1 for part in parts], [1.0] * len(parts), [float(part.cores) for part in parts]
    )
    state = replace(
        cold(servers, 25.0),
        sink_c=np.array(plant.junction_c)[:, None],  # without power the die is as warm as its sink
        junction_c=np.array(plant.junction_c)[:, None],
        case_c=np.array([plant.case_c]),
    )
    if name == "x3550m3":  # its die stands above its sink: let the twin come to the plant's state by itself
        plant.settle(doing, 25.0)
        steps, dt_s, tolerance = 600, 4.0, 0.05
    else:
        steps, dt_s, tolerance = 200, 0.1, 1e-9
    inputs = replace(at_rest(servers), demand=np.ones(servers.shape))
    for _ in range(steps):
        state, outputs = step_servers(
            servers,
            state,
            inputs,
            fed=np.ones(1, bool),
            room_c=25.0,
            coolant_c=np.full(1, 25.0),
            plate_share=np.ones(1),
            dt_s=dt_s,
        )
        power_w, _ = plant.draw(doing, dt_s)
        plant.warm(25.0, 0.0)
    assert plant.junction_c == pytest.approx(outputs.junction_c[:, 0].tolist(), abs=tolerance)
    assert power_w == pytest.approx(float(outputs.dc_w[0]), rel=1e-3)


@pytest.mark.parametrize("name", names())
def test_every_kind_of_the_twin_is_a_board(name: str) -> None:
    one = board(name)
    idle_w, _ = Plant(one, 25.0).draw(Activity(*[[0] * len(one.parts)] * 3), 1.0)
    assert 1.0 < idle_w < 700.0
    assert one.machine.domains[one.foreground].cores == one.parts[one.foreground].cores
    assert all(part.limit_c < part.critical_c < part.shutdown_c for part in one.parts)


@given(
    awake=st.floats(0.0, 1.0),
    points=st.tuples(st.integers(0, 5), st.integers(0, 7), st.integers(0, 5)),
    cuts=st.integers(1, 10),
)
def test_energy_does_not_depend_on_how_time_is_cut_up(
    awake: float, points: tuple[int, int, int], cuts: int
) -> None:
    doing = Activity(points, (awake,) * 3, (4 * awake, 2 * awake, awake))
    whole, cut = deepcopy(_PLANT), deepcopy(_PLANT)
    energy_j = whole.draw(doing, 0.1)[0] * 0.1
    assert sum(cut.draw(doing, 0.1 / cuts)[0] * 0.1 / cuts for _ in range(cuts)) == pytest.approx(energy_j)
    whole.warm(25.0, 0.0)
    cut.warm(25.0, 0.0)
    assert cut.junction_c == pytest.approx(whole.junction_c, abs=1e-9)


def test_leakage_that_runs_away_ends_in_a_machine_that_is_off() -> None:
    plant = Plant(_RK3399, 25.0, fouling=50.0)
    assert plant.off
