"""Workloads: the same future for all, scaled to any board, worth governing on each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeagent_hil.dvfs import Board, arrivals, board, judge, run, scenario
from edgeagent_hil.dvfs.curves import Curve, constant, steps
from edgeagent_hil.dvfs.sizing import activity, late, peak_k, steady, unit
from edgeagent_hil.dvfs.workloads import fits, names
from edgeagent_hil.twin import kinds
from edgeagent_sdk.errors import EdgeError
from tests.unit.hil.dvfs.governors import Fixed, Played
from tests.unit.hil.twins import data

_KINDS = Path(kinds.__file__).parent / "data/kinds"

#: A board, a phone's chip with a limit of its case, a server with few operating points.
_BOARDS = [board(name) for name in ("rk3399", "mt8183", "x3550m3")]


@pytest.mark.parametrize(
    ("one", "name"), [*((_BOARDS[0], name) for name in names()), (_BOARDS[2], "diurnal"), (_BOARDS[2], "cap")]
)
def test_the_highest_clock_meets_the_deadlines_and_the_lowest_does_not(one: Board, name: str) -> None:
    future = replace(scenario(name, one, seed=3, duration_s=60), learn_s=0)
    fast, slow = (judge(run(one, future, Fixed(one.machine, share))) for share in (1.0, 0.0))
    if name not in ("ambient", "dust"):  # there it may grow so hot that the hardware steps in
        assert fast.misses < 0.004
    assert slow.misses > 0.004
    assert slow.energy_j < fast.energy_j


@pytest.mark.parametrize(("one", "name"), [(_BOARDS[0], "dust"), (_BOARDS[1], "ambient")])
def test_bad_weather_leaves_room_for_the_thrifty_and_for_nobody_else(one: Board, name: str) -> None:
    future = scenario(name, one, duration_s=150)
    assert judge(run(one, future, Fixed(one.machine))).over_limit_s > 0
    assert future.before is not None
    needed = tuple(part.clock_hz[k] for part, k in zip(one.parts, future.before.points, strict=True))
    thrifty = judge(run(one, future, Played(lambda _time_s: needed)))
    assert (thrifty.over_limit_s, thrifty.misses) == (0, 0.0)


def test_the_cap_lies_between_thrift_and_haste() -> None:
    one = _BOARDS[0]
    future = scenario("cap", one, duration_s=70)
    caps_w = sorted(set(future.cap_w.values))[:2]
    fast = run(one, future, Fixed(one.machine))
    assert all(cap_w < fast.seconds[50].power_w for cap_w in caps_w)
    assert all(time_s == int(time_s) for time_s in future.cap_w.times)


def test_memory_binds_for_a_while() -> None:
    units = scenario("memory", _BOARDS[0], duration_s=100).streams[0]
    bound = (units.arrival_s >= 40) & (units.arrival_s < 70)
    waiting = units.memory_s / (units.memory_s + units.cycles / 1.8e9)
    assert waiting[bound].mean() > 0.5 > 0.2 > waiting[~bound].mean()


@pytest.mark.parametrize("name", names())
def test_equal_seeds_make_equal_futures(name: str) -> None:
    one = _BOARDS[0]
    first, again, other = (scenario(name, one, seed=seed, duration_s=120) for seed in (1, 1, 2))
    for a, b, c in zip(first.streams, again.streams, other.streams, strict=True):
        assert np.array_equal(a.arrival_s, b.arrival_s) and np.array_equal(a.cycles, b.cycles)
        assert not np.array_equal(a.cycles[:50], c.cycles[:50])
    assert (first.ambient_c, first.fouling, first.cap_w) == (again.ambient_c, again.fouling, again.cap_w)


def test_two_want_two_domains(tmp_path: Path) -> None:
    head, _, rest = (_KINDS / "v100.toml").read_text().split("[[components]]")
    path = tmp_path / "lone.toml"
    path.write_text(head + "[[components]]" + rest.replace('background = "package-0"', ""))
    one = board(str(path))
    assert [name for name in names() if not fits(name, one)] == ["two"]
    with pytest.raises(EdgeError, match="'lone' has one domain only"):
        scenario("two", one)
    assert scenario("periodic", one, duration_s=10).streams[0].domain == 0


def test_a_board_gets_no_more_than_it_can_cool(tmp_path: Path) -> None:
    path = tmp_path / "hot.toml"
    path.write_text(
        (_KINDS / "hikey960.toml").read_text().replace("passive_w_per_k = 0.165", "passive_w_per_k = 0.11")
    )
    hot, cool = board(str(path)), board("hikey960")
    less, more = (scenario("dust", one, duration_s=20) for one in (hot, cool))
    assert less.streams[0].cycles.mean() < 0.9 * more.streams[0].cycles.mean()
    assert less.before is not None
    needed = tuple(part.clock_hz[k] for part, k in zip(hot.parts, less.before.points, strict=True))
    assert judge(run(hot, replace(less, learn_s=0), Played(lambda _time_s: needed))).over_limit_s == 0


@pytest.mark.parametrize("seed", range(4))
def test_no_burst_is_more_than_the_highest_clock_can_do_in_time(seed: int) -> None:
    stream = scenario("bursty", _BOARDS[0], seed=seed, duration_s=600).streams[0]
    assert late(stream, 1.8e9) <= 0.001 < late(stream, 408e6)


def test_an_unknown_workload_is_told_with_the_nearest() -> None:
    with pytest.raises(EdgeError, match="did you mean 'bursty'"):
        scenario("burst", _BOARDS[0])


def test_recorded_requests_keep_their_order_and_get_the_rate_that_is_asked_for() -> None:
    folder = data("llm_requests").parent
    rng = np.random.default_rng(5)
    arrival_s = arrivals.requests(4.0, 600.0, rng, folder)
    assert len(arrival_s) == 2400
    assert arrival_s[0] == 0.0 and arrival_s[-1] < 600.0 and (np.diff(arrival_s) >= 0).all()
    gaps_s = np.diff(arrival_s)
    assert gaps_s.std() > 0.8 * gaps_s.mean()  # as irregular as requests are
    assert len(arrivals.requests(40.0, 600.0, rng, folder)) == 24_000  # more than the file has


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "no such file"),
        ("", "no requests"),
        ("WHEN\n2023\n", "TIMESTAMP"),
        ("TIMESTAMP\nyesterday\n", "TIMESTAMP"),
    ],
)
def test_a_file_that_holds_no_requests_is_told(tmp_path: Path, text: str | None, said: str) -> None:
    if text is not None:
        arrivals.recorded(tmp_path).parent.mkdir()
        arrivals.recorded(tmp_path).write_text(text)
    with pytest.raises(EdgeError, match=said) as caught:
        arrivals.requests(4.0, 10.0, np.random.default_rng(), tmp_path)
    assert "azure_conv" in str(caught.value)


def test_made_up_requests_come_in_bursts_at_the_rate_that_is_asked_for() -> None:
    arrival_s = arrivals.requests(4.0, 20_000.0, np.random.default_rng(1), None)
    assert len(arrival_s) == pytest.approx(80_000, rel=0.05)
    counts = np.bincount(arrival_s.astype(int) // 5)
    assert counts.var() > 2 * counts.mean()  # Poisson would have 1


def test_a_day_has_its_peak_in_the_evening() -> None:
    arrival_s = arrivals.daily(10.0, 240.0, 2400.0, np.random.default_rng(1))
    hour = (arrival_s % 240.0 / 10.0).astype(int)
    per_hour = np.bincount(hour, minlength=24) / 100  # ten days of ten seconds an hour
    assert per_hour[20] == pytest.approx(10.0, rel=0.1)
    assert per_hour[4] < 0.25 * per_hour[20]


@given(st.floats(-5, 50), st.floats(0, 30), st.floats(0, 30))
def test_steps_hold_from_their_time_on(time_s: float, first_s: float, stay_s: float) -> None:
    curve = steps((0.0, 1.0), (first_s, 2.0), (first_s + stay_s, 3.0))
    expected = 3.0 if time_s >= first_s + stay_s else 2.0 if time_s >= first_s else 1.0
    assert curve.at(time_s) == expected


def test_lines_between_points() -> None:
    ramp = Curve((10.0, 20.0), (1.0, 3.0))
    assert [ramp.at(time_s) for time_s in (0.0, 10.0, 15.0, 20.0, 99.0)] == [1.0, 1.0, 2.0, 3.0, 3.0]
    assert constant(float("inf")).at(3.0) == float("inf")


@given(pace=st.floats(0.0, 1.0), memory=st.floats(0.0, 0.8), service_s=st.floats(1e-3, 10.0))
def test_a_unit_takes_as_long_as_asked_at_its_clock(pace: float, memory: float, service_s: float) -> None:
    part = _BOARDS[0].parts[1]
    mean = unit(part, service_s, pace, memory, 0.6)
    low_hz, high_hz = part.clock_hz[0], part.clock_hz[-1]
    assert mean.service_s(low_hz + pace * (high_hz - low_hz)) == pytest.approx(service_s)
    assert mean.memory_s / mean.service_s(high_hz) == pytest.approx(memory, abs=1e-12)


def test_the_needed_point_is_the_lowest_that_is_fast_enough() -> None:
    one = _BOARDS[0]
    mean = unit(one.parts[1], 0.030, 0.35, 0.15, 0.6)
    work = steady(one, 1, mean, 1 / 30, 0.0303)
    clocks_hz = one.parts[1].clock_hz
    assert mean.service_s(clocks_hz[work.needed]) <= 0.0303 < mean.service_s(clocks_hz[work.needed - 1])
    doing = activity(one, work, work.needed)
    assert doing.awake[1] == pytest.approx(30 * mean.service_s(clocks_hz[work.needed]))
    assert doing.active[1] < 2 * doing.awake[1]  # waiting for memory draws less
    hot, cool = (peak_k(one, work, work.needed, constant(c), constant(0.0), 100) for c in (60.0, 30.0))
    assert hot > cool
