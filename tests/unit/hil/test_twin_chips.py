"""Chips of the twin: what they draw, and what holds them back."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeagent_hil.twin import kinds
from edgeagent_hil.twin.chips import Chips, Operation, allowed_w, averaged_w, busy_share, chips, operate
from edgeagent_hil.twin.layout import Layout

_NAMES = kinds.names()


@cache
def _chips(name: str) -> Chips:
    return chips(Layout([kinds.load(name)], [1]))


def _run(
    name: str,
    demand: float = 1.0,
    clock_hz: float = np.inf,
    allow_w: float = np.inf,
    junction_c: float = 40.0,
    powered: float = 1.0,
) -> Operation:
    constants = _chips(name)

    def everywhere(value: float) -> np.ndarray:
        return np.full(constants.exists.shape, value)

    return operate(
        constants,
        everywhere(demand),
        np.minimum(everywhere(clock_hz), constants.clock_hz[-1]),
        everywhere(allow_w),
        everywhere(junction_c),
        np.array([powered]),
    )


def _busy(name: str, done: Operation) -> float:
    """Share of the time that the second component's cores are busy."""
    return float(busy_share(_chips(name), done.clock_hz, done.work)[1, 0])


@pytest.mark.parametrize("point", range(8))
def test_an_operating_point_draws_what_the_formula_says(point: int) -> None:
    part = next(part for part in kinds.load("rk3399").components if part.name == "big")
    clock_hz, volt_v = part.points_hz_v[point]
    done = _run("rk3399", clock_hz=clock_hz, junction_c=60.0)
    leakage_w = 0.45 * np.exp((60 - 83) / 28.7) * (volt_v / 1.2) ** 3
    assert done.clock_hz[1, 0] == pytest.approx(clock_hz)
    assert done.power_w[1, 0] == pytest.approx(
        0.03 + 0.08 + 2 * 436e-12 * clock_hz * volt_v**2 + leakage_w, rel=1e-9
    )
    assert done.work[1, 0] == pytest.approx(clock_hz / 1800e6)
    assert _busy("rk3399", done) == pytest.approx(1.0)


def test_between_two_points_the_time_is_divided() -> None:
    low, high = _run("rk3399", clock_hz=1608e6), _run("rk3399", clock_hz=1800e6)
    mixed = _run("rk3399", clock_hz=1704e6)
    assert mixed.power_w[1, 0] == pytest.approx((low.power_w[1, 0] + high.power_w[1, 0]) / 2)
    assert mixed.work[1, 0] == pytest.approx((low.work[1, 0] + high.work[1, 0]) / 2)


@pytest.mark.parametrize(
    ("demand", "clock_hz", "work", "busy"),
    [
        (0.0, 1800e6, 0.0, 0.0),
        (0.5, 1800e6, 0.5, 0.5),
        (0.5, 1200e6, 0.5, 0.75),  # the same work, for longer
        (0.5, 600e6, 1 / 3, 1.0),  # too slow for it
        (2.0, 1800e6, 1.0, 1.0),  # more than it can do
    ],
)
def test_a_lower_clock_does_the_same_work_for_longer(
    demand: float, clock_hz: float, work: float, busy: float
) -> None:
    done = _run("rk3399", demand, clock_hz)
    assert done.work[1, 0] == pytest.approx(work)
    assert _busy("rk3399", done) == pytest.approx(busy)
    assert not done.limited.any()


@pytest.mark.parametrize(
    ("junction_c", "share"), [(60.0, 1.0), (85.0, 1.0), (90.0, 0.5), (95.0, 0.0), (120.0, 0.0)]
)
def test_heat_takes_the_clock_down_step_by_step(junction_c: float, share: float) -> None:
    done = _run("rk3399", junction_c=junction_c)
    part = kinds.load("rk3399").components[1]
    place = share * (len(part.points_hz_v) - 1)
    clocks = [clock for clock, _ in part.points_hz_v]
    assert done.clock_hz[1, 0] == pytest.approx(np.interp(place, range(len(clocks)), clocks))
    assert done.limited[1, 0] == (share < 1)


def test_without_power_nothing_is_drawn_and_nothing_done() -> None:
    done = _run("v100x4", powered=0.0)
    assert not any(values.any() for values in done)


@given(
    name=st.sampled_from(_NAMES),
    demand=st.floats(0, 1.5),
    allow_w=st.floats(0, 700),
    junction_c=st.floats(0, 120),
)
def test_a_limit_is_kept_down_to_the_lowest_point(
    name: str, demand: float, allow_w: float, junction_c: float
) -> None:
    lowest = _run(name, demand, clock_hz=0.0, junction_c=junction_c)
    free = _run(name, demand, junction_c=junction_c)
    held = _run(name, demand, allow_w=allow_w, junction_c=junction_c)
    assert (held.power_w <= np.maximum(allow_w, lowest.power_w) * (1 + 1e-9)).all()
    assert (held.work <= free.work + 1e-12).all()
    assert (held.clock_hz <= free.clock_hz * (1 + 1e-12)).all()
    # One that is held back could not have drawn more: it uses all that it may.
    used = held.power_w >= np.minimum(allow_w, free.power_w) * (1 - 1e-9)
    assert (used | (held.clock_hz >= free.clock_hz * (1 - 1e-9)) | (lowest.power_w > allow_w)).all()


@given(
    name=st.sampled_from(_NAMES),
    demands=st.tuples(st.floats(0, 1.2), st.floats(0, 1.2)),
    temperatures_c=st.tuples(st.floats(0, 80), st.floats(0, 80)),
    clocks_hz=st.tuples(st.floats(1e8, 4e9), st.floats(1e8, 4e9)),
)
def test_more_work_more_heat_and_a_higher_clock_never_draw_less(
    name: str,
    demands: tuple[float, float],
    temperatures_c: tuple[float, float],
    clocks_hz: tuple[float, float],
) -> None:
    less = _run(name, min(demands), clocks_hz[0], junction_c=min(temperatures_c))
    more = _run(name, max(demands), clocks_hz[0], junction_c=max(temperatures_c))
    assert (more.power_w >= less.power_w - 1e-9).all()
    assert (more.work >= less.work - 1e-12).all()
    slow = _run(name, max(demands), min(clocks_hz))
    fast = _run(name, max(demands), max(clocks_hz))
    assert (fast.work >= slow.work - 1e-12).all()


@given(
    caps_w=st.lists(st.floats(40, 95), min_size=5, max_size=40),
    demands=st.lists(st.floats(0, 1), min_size=5, max_size=40),
    dt_s=st.sampled_from([0.01, 0.1, 1.0, 10.0]),
)
def test_the_running_average_keeps_a_cap_that_does_not_fall(
    caps_w: list[float], demands: list[float], dt_s: float
) -> None:
    constants = _chips("x3550m3")
    average_w = np.zeros((2, 1))
    floor_w = _run("x3550m3", 1.0, clock_hz=0.0).power_w
    for cap_w, demand in zip(sorted(caps_w), demands, strict=False):
        cap = np.full((2, 1), cap_w)
        allow_w = allowed_w(constants, cap, average_w, dt_s)
        done = operate(
            constants,
            np.full((2, 1), demand),
            constants.clock_hz[-1],
            allow_w,
            np.full((2, 1), 40.0),
            np.ones(1),
        )
        average_w = averaged_w(constants, average_w, done.power_w, dt_s)
        assert (average_w <= np.maximum(cap, floor_w) * (1 + 1e-9)).all()


def test_after_a_quiet_time_a_burst_may_pass_the_cap() -> None:
    constants = _chips("x3550m3")
    cap = np.full((2, 1), 50.0)
    quiet = allowed_w(constants, cap, np.full((2, 1), 20.0), 0.1)
    tired = allowed_w(constants, cap, cap, 0.1)
    assert quiet[0, 0] == pytest.approx(50 + 30 * 10)
    assert tired[0, 0] == pytest.approx(50)


def test_machines_of_different_kinds_stand_side_by_side() -> None:
    mixed = chips(Layout([kinds.load("rk3399"), kinds.load("v100x4")], [2, 1]))
    assert mixed.exists.sum(axis=0).tolist() == [3, 3, 6]
    done = operate(
        mixed,
        np.ones(mixed.exists.shape),
        mixed.clock_hz[-1],
        np.full(mixed.exists.shape, 90.0),
        np.full(mixed.exists.shape, 40.0),
        np.ones(3),
    )
    alone = _run("v100x4", allow_w=90.0)
    assert done.power_w[:, 2] == pytest.approx(alone.power_w[:, 0])
    assert not done.power_w[3:, :2].any()
