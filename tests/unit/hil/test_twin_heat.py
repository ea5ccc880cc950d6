"""Heat of the twin: nothing is lost, and the steady state is the textbook's."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeagent_hil.twin import kinds
from edgeagent_hil.twin.heat import HeatPaths, Warmed, heat_paths, stored_j, warm
from edgeagent_hil.twin.layout import Layout
from edgeagent_hil.twin.units import AIR_J_PER_M3_K

_PATHS = heat_paths(Layout([kinds.load("v100x4"), kinds.load("ex235a")], [1, 1]))
_SHAPE = _PATHS.capacity_j_per_k.shape
_EXISTS = _PATHS.air_w_per_k + _PATHS.plate_w_per_k > 0


def _warm(
    sink_c: np.ndarray,
    case_c: np.ndarray,
    chip_w: np.ndarray,
    *,
    flow_m3_per_s: float = 0.03,
    coolant_c: float = 30.0,
    dt_s: float,
    paths: HeatPaths = _PATHS,
) -> Warmed:
    return warm(
        paths,
        sink_c,
        case_c,
        chip_w=chip_w,
        other_w=np.full(2, 80.0),
        air_share=np.ones(2),
        plate_share=np.ones(2),
        clean_share=np.ones(2),
        flow_m3_per_s=np.full(2, flow_m3_per_s),
        inlet_c=np.full(2, 24.0),
        coolant_c=np.full(2, coolant_c),
        dt_s=dt_s,
    )


def _history(chip_w: float, seconds: float, dt_s: float) -> Warmed:
    sink_c, case_c = np.full(_SHAPE, 24.0), np.full(2, 24.0)
    for _ in range(round(seconds / dt_s)):
        warmed = _warm(sink_c, case_c, np.full(_SHAPE, chip_w), dt_s=dt_s)
        sink_c, case_c = warmed.sink_c, warmed.case_c
    return warmed


temperatures = st.floats(-20, 130)


@given(
    sinks=st.lists(temperatures, min_size=12, max_size=12),
    cases=st.tuples(temperatures, temperatures),
    powers=st.lists(st.floats(0, 600), min_size=12, max_size=12),
    flow_m3_per_s=st.floats(0, 0.1),
    dt_s=st.floats(1e-3, 1e5),
)
def test_what_comes_in_goes_out_or_stays(
    sinks: list[float],
    cases: tuple[float, float],
    powers: list[float],
    flow_m3_per_s: float,
    dt_s: float,
) -> None:
    sink_c, case_c = np.reshape(sinks, _SHAPE), np.array(cases)
    chip_w = np.reshape(powers, _SHAPE)
    warmed = _warm(sink_c, case_c, chip_w, flow_m3_per_s=flow_m3_per_s, dt_s=dt_s)
    kept_j = stored_j(_PATHS, warmed.sink_c, warmed.case_c) - stored_j(_PATHS, sink_c, case_c)
    came_j = (chip_w.sum(axis=0) + 80) * dt_s
    left_j = (warmed.air_w + warmed.coolant_w) * dt_s
    scale_j = np.abs(came_j) + np.abs(left_j) + stored_j(_PATHS, np.abs(sink_c), np.abs(case_c))
    assert (np.abs(came_j - left_j - kept_j) <= 1e-9 * scale_j).all()


def test_the_steady_state_is_the_textbooks() -> None:
    warmed = _history(100.0, 1e6, 1e4)
    out_w_per_k = _PATHS.passive_w_per_k + AIR_J_PER_M3_K * 0.03
    on_air, on_plate = (_PATHS.air_w_per_k > 0).sum(axis=0), (_PATHS.plate_w_per_k > 0).sum(axis=0)
    absent = (~_EXISTS).sum(axis=0)  # there is no link from there to anywhere, so its heat stays
    assert (on_air + on_plate + absent == len(_EXISTS)).all()
    assert warmed.case_c == pytest.approx(24 + (100 * on_air + 80) / out_w_per_k)
    rise_k = 100 / (_PATHS.air_w_per_k + _PATHS.plate_w_per_k)[_EXISTS]
    around_c = np.where(_PATHS.plate_w_per_k > 0, 30.0, warmed.case_c)[_EXISTS]
    assert warmed.sink_c[_EXISTS] == pytest.approx(around_c + rise_k)
    assert warmed.coolant_w == pytest.approx(100 * on_plate)


def test_half_the_step_halves_the_error() -> None:
    exact = _history(200.0, 60.0, 60 / 4096).sink_c
    errors = [np.abs(_history(200.0, 60.0, dt_s).sink_c - exact).max() for dt_s in (4.0, 2.0, 1.0, 0.5)]
    assert errors[0] < 2.0
    assert all(1.8 < coarse / fine < 2.2 for coarse, fine in pairwise(errors))


@given(
    powers=st.tuples(st.floats(0, 500), st.floats(0, 500)),
    flows=st.tuples(st.floats(0, 0.1), st.floats(0, 0.1)),
    dt_s=st.floats(1e-2, 1e5),
)
def test_more_power_is_warmer_and_more_air_is_cooler(
    powers: tuple[float, float], flows: tuple[float, float], dt_s: float
) -> None:
    warm_c = np.full(_SHAPE, 50.0), np.full(2, 40.0)
    little, much = (_warm(*warm_c, np.full(_SHAPE, power), dt_s=dt_s) for power in sorted(powers))
    assert (much.sink_c >= little.sink_c - 1e-9).all()
    assert (much.case_c >= little.case_c - 1e-9).all()
    still, windy = (
        _warm(*warm_c, np.full(_SHAPE, 50.0), flow_m3_per_s=flow, dt_s=dt_s) for flow in sorted(flows)
    )
    assert (windy.case_c <= still.case_c + 1e-9).all()


@given(dt_s=st.floats(1e-3, 1e6), power=st.floats(0, 600))
def test_no_step_overshoots(dt_s: float, power: float) -> None:
    """From below, a temperature never passes the steady state, however long the step."""
    steady = _history(power, 1e6, 1e5)
    once = _warm(np.full(_SHAPE, 24.0), np.full(2, 24.0), np.full(_SHAPE, power), dt_s=dt_s)
    assert (once.sink_c[_EXISTS] <= np.maximum(steady.sink_c[_EXISTS], 30.0) + 1e-6).all()
    assert (once.case_c <= steady.case_c + 1e-6).all()
