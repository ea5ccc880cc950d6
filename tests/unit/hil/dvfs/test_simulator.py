"""A run: time, energy, heat and what a governor gets to see."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgeagent_hil.dvfs import Scenario, board, judge, run, scenario
from edgeagent_hil.dvfs.curves import constant, steps
from edgeagent_hil.dvfs.scenario import Gap
from edgeagent_sdk.errors import EdgeError
from tests.unit.hil.dvfs.governors import Fixed, Played, stream

_BOARD = board("rk3399")
_BIG = 1


def _scenario(seconds: int = 10, **changes: object) -> Scenario:
    """A unit of a quarter of a second, each second, on both big cores."""
    arrivals = [float(second) for second in range(seconds)]
    units = stream(arrivals, cycles=0.25 * 1.8e9, threads=2, domain=_BIG, deadline_s=0.5)
    return replace(Scenario("test", seconds, (units,), learn_s=0), **changes)  # type: ignore[arg-type]


def test_latency_and_busy_time_are_exact() -> None:
    done = run(_BOARD, _scenario(), Fixed(_BOARD.machine))
    assert [end - at for at, end in enumerate(done.ended_s[0])] == pytest.approx([0.25] * 10)
    assert done.busy_s == pytest.approx([2.5])


def test_energy_is_idle_energy_and_what_each_unit_adds() -> None:
    busy = run(_BOARD, _scenario(), Fixed(_BOARD.machine))
    idle = run(_BOARD, _scenario(streams=()), Fixed(_BOARD.machine))
    added_j = sum(second.power_w for second in busy.seconds) - sum(second.power_w for second in idle.seconds)
    switching_j = 10 * 0.25 * (2 * 436e-12 * 1.8e9 * 1.2**2 + 0.08)
    assert added_j == pytest.approx(switching_j, rel=0.01)  # and a little more leakage, since it is warmer


def test_a_second_is_as_long_with_any_tick() -> None:
    for tick_s in (0.01, 0.03, 0.07, 0.1, 0.25, 3.0):
        governor = Fixed(_BOARD.machine)
        governor.tick_s = tick_s
        done = run(_BOARD, _scenario(), governor)
        assert len(done.seconds) == 10
        assert done.ended_s[0] == pytest.approx([at + 0.25 for at in range(10)])
        assert len(governor.seen) == pytest.approx(10 / tick_s, abs=1)


def test_equal_seeds_make_equal_runs() -> None:
    def once(seed: int) -> list[object]:
        governor = Fixed(_BOARD.machine)
        done = run(_BOARD, scenario("bursty", _BOARD, seed=seed, duration_s=20), governor)
        return [done.ended_s, done.seconds, governor.seen]

    assert repr(once(1)) == repr(once(1))
    assert repr(once(1)) != repr(once(2))


def test_what_a_governor_sees() -> None:
    governor = Fixed(_BOARD.machine)
    run(_BOARD, _scenario(), governor)
    first, second, third, *_ = governor.seen
    assert (first.time_s, first.power_w, first.domains[_BIG].busy) == (0.0, None, 0.0)
    assert second.domains[_BIG].busy == pytest.approx(1.0)
    assert second.domains[_BIG].clock_hz == pytest.approx(1.8e9)
    assert second.domains[_BIG].power_w is None  # it has no meter of its own
    assert second.sessions[0].running_s == pytest.approx(0.1)
    at_300_ms = governor.seen[3]
    assert at_300_ms.domains[_BIG].busy == pytest.approx(0.5)
    assert at_300_ms.sessions[0].done[0].latency_s == pytest.approx(0.25)
    assert third.power_w == pytest.approx(5.4, rel=0.05)
    for state in third.domains:
        assert state.temperature_c is not None and round(state.temperature_c, 1) == state.temperature_c


def test_a_domain_with_one_of_its_cores_busy_is_busy_for_a_share() -> None:
    governor = Fixed(_BOARD.machine)
    units = stream([0.0], cycles=1e9, threads=1, domain=0)
    run(_BOARD, _scenario(1, streams=(units,)), governor)
    assert governor.seen[1].domains[0].busy == pytest.approx(0.25)


def test_the_meter_errs_but_not_on_average() -> None:
    governor = Fixed(_BOARD.machine)
    done = run(_BOARD, _scenario(60, streams=()), governor)
    read_w = [seen.power_w for seen in governor.seen if seen.power_w is not None]
    mean_w = sum(second.power_w for second in done.seconds) / 60
    assert sum(read_w) / len(read_w) == pytest.approx(mean_w, rel=1e-3)
    errors = [abs(w / mean_w - 1) for w in read_w]
    assert 0.002 < max(errors) < 0.02


def test_a_sensor_can_fall_silent() -> None:
    governor = Fixed(_BOARD.machine)
    gaps = (Gap("big", 2.0, 3.0), Gap("power", 5.0, 6.0))
    run(_BOARD, _scenario(gaps=gaps), governor)
    cold = [seen.time_s for seen in governor.seen if seen.domains[_BIG].temperature_c is None]
    blind = [seen.time_s for seen in governor.seen[1:] if seen.power_w is None]
    assert cold == pytest.approx([2.0 + i / 10 for i in range(10)])
    assert blind == pytest.approx([5.0 + i / 10 for i in range(10)])


def test_who_obeys_a_step_of_the_cap_at_once_is_never_over_it() -> None:
    """The tick on the second at which the cap steps sees the new one, and its clocks hold from there."""
    low, high = [part.clock_hz[0] for part in _BOARD.parts], [part.clock_hz[-1] for part in _BOARD.parts]
    units = stream([0.0], cycles=1e12, threads=2, domain=_BIG)
    cap_w = steps((0.0, 9.0), (4.0, 4.0), (7.0, 9.0))

    def obeying(time_s: float) -> tuple[float, ...]:
        return tuple(low if 4.0 <= time_s < 7.0 else high)

    future = _scenario(streams=(units,), cap_w=cap_w)
    assert judge(run(_BOARD, future, Played(obeying))).over_cap_s == 0
    assert judge(run(_BOARD, future, Fixed(_BOARD.machine))).over_cap_s == 3


def test_switches_are_counted_domain_by_domain() -> None:
    tops = [part.clock_hz[-1] for part in _BOARD.parts]

    def seesaw(time_s: float) -> tuple[float, ...]:
        return (tops[0], tops[1] if int(time_s) % 2 else 408e6, 1e6)

    done = run(_BOARD, _scenario(), Played(seesaw))
    assert [second.switches for second in done.seconds] == [1, *[1] * 9]  # little once, then big each second
    assert done.seconds[3].clock_hz == pytest.approx((tops[0], tops[1], 200e6))


def test_a_chip_that_is_too_hot_falls_to_its_lowest_clock_by_itself_until_it_is_cool() -> None:
    units = stream([0.0], cycles=1e13, threads=2, domain=_BIG)
    hot = _scenario(150, streams=(units,), ambient_c=constant(66.0))
    done = run(_BOARD, hot, Fixed(_BOARD.machine))
    hottest_c = max(second.junction_c[_BIG] for second in done.seconds)
    assert 95.0 <= hottest_c < 102.0  # the other parts stay warm
    assert min(second.clock_hz[_BIG] for second in done.seconds) == pytest.approx(408e6)
    assert judge(done).over_limit_s > 30


def test_a_machine_that_boils_switches_itself_off_and_the_rest_is_missed() -> None:
    done = run(_BOARD, _scenario(ambient_c=constant(140.0)), Fixed(_BOARD.machine))
    assert done.off_s == 0.0
    assert judge(done).misses == 1.0


@pytest.mark.parametrize("clocks_hz", [(1e9,), (1e9, 1e9, float("nan")), (1e9, 1e9, float("inf"), 1e9)])
def test_a_decision_that_names_no_clocks_is_refused(clocks_hz: tuple[float, ...]) -> None:
    with pytest.raises(EdgeError, match="names no clock for each domain"):
        run(_BOARD, _scenario(), Played(lambda _time_s: clocks_hz))


@pytest.mark.parametrize(
    ("streams", "said"),
    [
        ((stream([0.0], 1e9, threads=3, domain=_BIG),), "3 threads on the 2 cores of 'big'"),
        ((stream([0.0], 1e9), stream([0.0], 1e9)), "more than one stream works on 'little'"),
    ],
)
def test_a_scenario_that_does_not_fit_is_refused(streams: object, said: str) -> None:
    with pytest.raises(EdgeError, match=said):
        run(_BOARD, _scenario(streams=streams), Fixed(_BOARD.machine))
