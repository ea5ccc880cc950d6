"""The small learners, each against a truth that is known."""

from __future__ import annotations

import random
from math import ceil, exp, log

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeagent.dvfs.change import Change
from edgeagent.dvfs.heat import Heat
from edgeagent.dvfs.meters import Load, Meters
from edgeagent.dvfs.pace import Pace, harmonic, tail_of_sum
from edgeagent.dvfs.places import Places
from edgeagent.dvfs.power import warmth
from edgeagent.dvfs.quantile import Quantile
from edgeagent.dvfs.rls import Fit

_EXAMPLES = settings(max_examples=40, derandomize=True, deadline=None)
_WEIGHTS = st.lists(st.floats(0.0, 10.0), min_size=3, max_size=3)


@_EXAMPLES
@given(_WEIGHTS, st.integers(0, 1000))
def test_a_fit_finds_weights_that_are_not_negative(truth: list[float], seed: int) -> None:
    rng = random.Random(seed)
    fit = Fit([1.0] * 3, [1e-9] * 3, [0.0] * 3)
    for _ in range(200):
        row = [rng.uniform(0, 1) for _ in truth]
        fit.add(row, sum(a * b for a, b in zip(row, truth, strict=True)))
        fit.solve()
    fit.solve(400)
    assert fit.theta == pytest.approx(truth, abs=1e-3)


def test_a_weight_that_would_be_negative_stays_at_its_bound() -> None:
    fit = Fit([1.0, 1.0], [1e-9] * 2, [0.0, 0.0])
    for x in (0.0, 0.5, 1.0):
        fit.add([1.0, x], 2.0 - x)
    fit.solve(200)
    assert fit.theta[1] == 0.0
    assert fit.theta[0] == pytest.approx(1.5, abs=1e-6)


@_EXAMPLES
@given(st.lists(st.tuples(st.floats(-3, 3), st.floats(-3, 3), st.floats(-9, 9)), min_size=1, max_size=20))
def test_rows_taken_back_were_never_there(rows: list[tuple[float, float, float]]) -> None:
    fit, clean = (Fit([0.5, 0.5], [1.0, 1.0], [-9.0, -9.0]) for _ in range(2))
    for a, b, y in rows:
        fit.add([a, b], y)
    for a, b, y in rows:
        fit.add([a, b], y, -1.0)
    fit.solve(5)
    clean.solve(5)
    assert fit.theta == pytest.approx(clean.theta, abs=1e-6)


def test_forgetting_leaves_the_prior() -> None:
    fit = Fit([3.0], [1.0], [0.0])
    fit.add([1.0], 100.0, 50.0)
    for _ in range(100):
        fit.forget(0.8)
    fit.solve(3)
    assert fit.theta[0] == pytest.approx(3.0, abs=1e-3)


def test_a_place_that_changes_leaves_the_others_as_they_were() -> None:
    places: Places[str] = Places(Fit([0.0, 0.0], [1e-9, 1e-9], [0.0, 0.0]), keep=10)
    for _ in range(40):
        places.learn("a", [1.0, 0.0], 2.0)
        places.learn("b", [0.0, 1.0], 5.0)
    for _ in range(200):
        places.learn("a", [1.0, 0.0], 3.0)
    places.fit.solve(50)
    assert places.fit.theta == pytest.approx([3.0, 5.0], rel=1e-3)
    assert places.count("a") == 10


def test_the_oldest_place_goes_when_there_are_too_many() -> None:
    places: Places[int] = Places(Fit([0.0], [1.0], [0.0]), most=3)
    for key in range(5):
        places.learn(key, [1.0], 1.0)
    assert [key in places for key in range(5)] == [False, False, True, True, True]


@_EXAMPLES
@given(st.lists(st.floats(-100, 100), min_size=1, max_size=60), st.floats(0.05, 0.99))
def test_a_quantile_is_the_conformal_rank_of_the_window(values: list[float], share: float) -> None:
    quantile = Quantile(window=20)
    for value in values:
        quantile.add(value)
    last = sorted(values[-20:])
    rank = ceil((len(last) + 1) * share)
    if rank <= len(last):
        assert quantile.at(share) == last[rank - 1]
    else:
        assert quantile.at(share) >= last[-1]


def test_a_quantile_covers_what_comes_next() -> None:
    rng = random.Random(3)
    quantile, passed = Quantile(400), 0
    for n in range(6000):
        value = rng.gauss(1.0, 0.1)
        passed += n >= 400 and value > quantile.at(0.99)
        quantile.add(value)
    assert passed / 5600 <= 0.014


@pytest.mark.parametrize("seed", range(5))
def test_scatter_is_no_change_and_a_shift_is_one_soon(seed: int) -> None:
    rng = random.Random(seed)
    change = Change()
    assert not any(change.add(rng.gauss(0, 0.03)) for _ in range(2000))
    found = [change.add(rng.gauss(0.3, 0.03)) for _ in range(6)]
    assert 1 in found
    assert -1 not in found


@_EXAMPLES
@given(st.floats(0.001, 0.1), st.floats(0.0, 0.05), st.integers(0, 99))
def test_a_pace_knows_other_clocks_after_two(c: float, m: float, seed: int) -> None:
    rng = random.Random(seed)
    pace = Pace((0,), 0.01)
    for x in [1.0] * 30 + [2.0] * 30 + [1.0] * 10:
        t = (c * x + m) * (1 + 0.02 * rng.gauss(0, 1))
        pace.learn([x], t, t, 1.0)
    assert pace.time_s([3.0]) == pytest.approx(3 * c + m, rel=0.06)
    assert 1.0 <= pace.tail() < 1.25


def test_before_two_clocks_a_slower_one_looks_slower_than_it_is() -> None:
    pace = Pace((0,), 0.01)
    for _ in range(20):
        pace.learn([1.0], 0.02, 0.02, 1.0)
    assert pace.time_s([2.0]) >= 0.0399


def test_a_pace_follows_units_that_become_others() -> None:
    rng = random.Random(1)
    pace = Pace((0,), 0.01)
    for c, m in ((0.02, 0.004), (0.01, 0.03)):
        for x in ([1.0] * 40 + [1.5] * 40) * 3:
            t = (c * x + m) * (1 + 0.02 * rng.gauss(0, 1))
            pace.learn([x], t, t, 1.0)
        assert pace.time_s([1.25]) == pytest.approx(1.25 * c + m, rel=0.03)
    assert pace.changes >= 1


def test_stretches_of_a_unit_count_by_what_was_done_in_them() -> None:
    pace = Pace((0,), 0.01)
    for x in (1.0, 2.0) * 20:
        pace.learn([x], 0.1 * x, 0.1 * x, 9.0)
    # 0.05 s at x = 1 do half of it, 0.1 s at x = 2 the other half
    assert harmonic([(0.05, [1.0]), (0.1, [2.0])], pace) == pytest.approx([1.5], rel=1e-3)


def test_spreads_add_by_squares() -> None:
    assert tail_of_sum(1.2, 4) == pytest.approx(4.4)


@pytest.mark.parametrize("ramp_k_per_s", [0.0, 0.3])
def test_heat_forecasts_steps_of_power_whatever_its_surroundings_do(ramp_k_per_s: float) -> None:
    rng = random.Random(5)
    fast_c = slow_c = 0.0
    heat = Heat()
    heat.see(25.0, 0.0)
    awaited: list[tuple[float, float]] = []
    errors_k = []
    watts = 3.0
    for tick in range(1, 3600):
        now_s = tick * 0.1
        if tick % 150 == 0:
            watts = rng.choice([2.0, 4.0, 6.0, 8.0])
        drawn_w = watts * (1 + 0.05 * rng.gauss(0, 1))
        fast_c += (2.5 * drawn_w - fast_c) * (1 - exp(-0.1 / 3.0))
        slow_c += (4.0 * (drawn_w + 2.0) - slow_c) * (1 - exp(-0.1 / 120.0))
        now_c = 25.0 + ramp_k_per_s * now_s + fast_c + slow_c
        heat.follow(drawn_w, drawn_w + 2.0, round(now_c, 1), now_s)
        heat.learn()
        if awaited and awaited[0][0] <= now_s:
            errors_k.append(abs(awaited.pop(0)[1] - now_c))
        if now_s > 120 and tick % 150 == 0:
            awaited.append((now_s + 5.0, heat.after(5.0).at(watts, watts + 2.0)))
    assert len(errors_k) >= 10
    assert sum(errors_k) / len(errors_k) < 1.0
    assert heat.drift_k_per_s == pytest.approx(ramp_k_per_s, abs=0.12)


def test_a_silent_sensor_widens_the_margin() -> None:
    heat = Heat()
    heat.see(50.0, 0.0)
    for tick in range(1, 50):
        heat.follow(2.0, 4.0, 50.0, tick * 0.1)
        heat.learn()
    before_k = heat.margin_k
    for tick in range(50, 150):
        heat.follow(2.0, 4.0, None, tick * 0.1)
    assert heat.margin_k == pytest.approx(before_k + 2.0, abs=0.1)
    assert heat.now_c is not None and heat.now_c >= 49.0


def _drawn_w(u: float, busy: float, warm: float) -> float:
    volt2: float = (0.65 + 0.35 * max(0.0, u - 0.4) / 0.6) ** 2
    return float(4.0 * busy * u * volt2 + 0.1 * busy + 0.4 * warm * volt2**1.5)


@pytest.mark.parametrize("metered", [True, False])
def test_power_is_known_where_it_was_measured_and_near_elsewhere(metered: bool) -> None:
    rng = random.Random(2)
    us = [0.25, 0.4, 0.55, 0.7, 0.85, 1.0]
    meters = Meters([metered])
    warm = warmth(55.0)
    for _ in range(40):
        for point in (1, 3, 5):
            for _ in range(5):
                busy = min(1.0, 0.5 / us[point]) * rng.uniform(0.9, 1.0)
                own_w = _drawn_w(us[point], busy, warm)
                load = Load(us[point], point, busy, 0.0, warm, own_w if metered else None)
                meters.learn([load], (own_w + 3.0) * (1 + 0.002 * rng.gauss(0, 1)), [True])
    curves = meters.curves(0, us, [0.0] * len(us), warm)
    load = Load(us[3], 3, 0.7, 0.0, warm, None)
    for point, tolerance in [(1, 0.03), (3, 0.03), (5, 0.03), (2, 0.06), (4, 0.06)]:
        busy = min(1.0, 0.5 / us[point])
        said_w = curves.weight * (curves.idle_w[point] + busy * curves.busy_w[point]) + meters.rest_w([load])
        assert said_w == pytest.approx(_drawn_w(us[point], busy, warm) + 3.0, rel=tolerance)


def test_leakage_grows_by_e_in_thirty_kelvin() -> None:
    assert log(warmth(90.0) / warmth(60.0)) == pytest.approx(1.0)
