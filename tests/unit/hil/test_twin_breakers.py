"""Breakers of the twin against the standard's points."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeagent_hil.twin.breakers import Breakers, BreakerState, breakers, carry, closed, curves, trip_time_s
from edgeagent_sdk.errors import EdgeError

_HOUR_S = 3600.0
_NEVER = np.array([False])


def _one(curve: str, rated_a: float = 32.0) -> Breakers:
    return breakers(curve, np.array([rated_a]))


def _carried(
    curve: str, multiple: float, seconds: float, dt_s: float, state: BreakerState | None = None
) -> BreakerState:
    breaker = _one(curve)
    state = state or closed(breaker)
    current_a = np.full((3, 1), 32.0 * multiple)
    for _ in range(round(seconds / dt_s)):
        state = carry(breaker, state, current_a, _NEVER, dt_s)
    return state


@pytest.mark.parametrize(
    ("curve", "multiple", "least_s", "most_s"),
    [
        ("iec-c", 1.13, np.inf, np.inf),
        ("iec-c", 1.45, 0.0, _HOUR_S),
        ("iec-c", 2.55, 1.0, 60.0),
        ("iec-c", 5.0, 0.1, np.inf),
        ("iec-c", 10.0, 0.0, 0.1),
        ("iec-d", 1.13, np.inf, np.inf),
        ("iec-d", 1.45, 0.0, _HOUR_S),
        ("iec-d", 2.55, 1.0, 60.0),
        ("iec-d", 10.0, 0.1, np.inf),
        ("iec-d", 20.0, 0.0, 0.1),
        ("iec-mccb", 1.05, np.inf, np.inf),
        ("iec-mccb", 1.30, 0.0, 2 * _HOUR_S),
    ],
)
def test_it_trips_when_the_standard_says(curve: str, multiple: float, least_s: float, most_s: float) -> None:
    (time_s,) = trip_time_s(_one(curve), np.array([32.0 * multiple]))
    assert least_s <= time_s <= most_s


@pytest.mark.parametrize("curve", sorted(curves()))
@pytest.mark.parametrize("multiple", [1.4, 1.5, 2.0, 3.0, 4.5])
@pytest.mark.parametrize("steps", [10, 300])
def test_the_steps_trip_when_the_curve_does(curve: str, multiple: float, steps: int) -> None:
    (time_s,) = trip_time_s(_one(curve), np.array([32.0 * multiple]))
    dt_s = time_s / steps
    assert _carried(curve, multiple, time_s - 1.1 * dt_s, dt_s).closed[0]
    assert not _carried(curve, multiple, time_s + 1.1 * dt_s, dt_s).closed[0]


@given(
    currents=st.lists(st.floats(0, 4), min_size=1, max_size=5),
    parts=st.integers(1, 10),
)
def test_a_step_may_be_cut_into_any_number_of_steps(currents: list[float], parts: int) -> None:
    whole = fine = closed(_one("iec-c"))
    for multiple in currents:
        whole = _carried("iec-c", multiple, 10.0, 10.0, whole)
        fine = _carried("iec-c", multiple, 10.0, 10.0 / parts, fine)
    assert fine.heat == pytest.approx(whole.heat, rel=1e-9, abs=1e-12)


@given(multiples=st.tuples(st.floats(0, 20), st.floats(0, 20)))
def test_more_current_never_trips_later(multiples: tuple[float, float]) -> None:
    less, more = trip_time_s(breakers("iec-c", np.array([32.0, 32.0])), 32.0 * np.array(sorted(multiples)))
    assert more <= less


def test_one_pole_trips_all_and_a_warm_bimetal_does_not_latch() -> None:
    breaker = _one("iec-c")
    overloaded = np.array([[10.0], [96.0], [10.0]])
    state = closed(breaker)
    for _ in range(30):
        state = carry(breaker, state, overloaded, _NEVER, 1.0)
    assert not state.closed[0]
    told = np.array([True])
    state = carry(breaker, state, np.zeros((3, 1)), told, 1.0)
    assert not state.closed[0]
    for _ in range(120):
        state = carry(breaker, state, np.zeros((3, 1)), _NEVER, 1.0)
    assert not state.closed[0], "nobody told it to close"
    assert carry(breaker, state, np.zeros((3, 1)), told, 1.0).closed[0]


def test_an_unknown_curve_is_named() -> None:
    with pytest.raises(EdgeError, match="'iec-x'; did you mean 'iec-d'"):
        _one("iec-x")
