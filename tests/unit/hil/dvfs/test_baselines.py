"""The governors of Linux: what their rules, worked by hand, decide about a sequence of observations."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeagent_hil.dvfs import board, run, scenario
from edgeagent_hil.dvfs.baselines.allocator import EnergyModel, PowerAllocator, split
from edgeagent_hil.dvfs.baselines.capped import Capper
from edgeagent_hil.dvfs.baselines.cpufreq import (
    Conservative,
    Cpufreq,
    Ondemand,
    Performance,
    Powersave,
    Rule,
    Schedutil,
)
from edgeagent_hil.dvfs.baselines.limited import Limited
from edgeagent_hil.dvfs.baselines.points import at_least, at_most, closest
from edgeagent_hil.dvfs.baselines.stepwise import StepWise
from edgeagent_hil.dvfs.baselines.told import energy_model
from edgeagent_hil.dvfs.contestants import BASELINES, contestant
from edgeagent_sdk.errors import EdgeError
from edgeagent_sdk.governor import Decision, Domain, DomainState, Machine, Observation

_OPPS_HZ = (400e6, 800e6, 1200e6, 1600e6, 2000e6)
_DOMAIN = Domain("big", _OPPS_HZ, cores=2, limit_c=85.0)
_MACHINE = Machine((_DOMAIN,))


@pytest.mark.parametrize(
    ("wanted_mhz", "most", "least", "nearest"),
    [
        (100, 400, 400, 400),
        (800, 800, 800, 800),
        (900, 800, 1200, 800),
        (1000, 800, 1200, 800),
        (1001, 800, 1200, 1200),
        (9000, 2000, 2000, 2000),
    ],
)
def test_a_wanted_frequency_becomes_a_point(wanted_mhz: int, most: int, least: int, nearest: int) -> None:
    wanted_hz = wanted_mhz * 1e6
    found = at_most(_OPPS_HZ, wanted_hz), at_least(_OPPS_HZ, wanted_hz), closest(_OPPS_HZ, wanted_hz)
    assert found == (most * 1e6, least * 1e6, nearest * 1e6)


def _clocks_mhz(rule: Rule, busy: list[float], ceiling_mhz: float = inf) -> list[int]:
    """What `rule` decides tick by tick of 10 ms, when the clock follows its decisions."""
    clock_hz, clocks = _OPPS_HZ[-1], []
    for share in busy:
        clock_hz = rule.clock_hz(DomainState(clock_hz, share, ceiling_hz=ceiling_mhz * 1e6), 0.010)
        clocks.append(round(clock_hz / 1e6))
    return clocks


@pytest.mark.parametrize(
    ("rule", "busy", "expected"),
    [
        (Performance(_DOMAIN), [0.0, 0.5, 1.0], [2000, 2000, 2000]),
        (Powersave(_DOMAIN), [0.0, 0.5, 1.0], [400, 400, 400]),
        # 400 + load·1600 MHz, to the nearest point; above 0.8 to the top.
        (Ondemand(_DOMAIN), [0.10, 0.40, 0.80, 0.81, 0.50], [400, 1200, 1600, 2000, 1200]),
        # Idle ticks are slept through; after 30 ms of them the load of before (0.9) counts once more.
        (Ondemand(_DOMAIN), [0.1, 0.9, 0, 0, 0, 0.1, 0.1], [400, 2000, 2000, 2000, 2000, 2000, 400]),
        # 10 ms of idleness only: the load is that of both ticks.
        (Ondemand(_DOMAIN), [0.1, 0.0, 0.8], [400, 400, 1200]),
        # Down from the top by steps of 5 % (100 MHz), rounded up to a point; between the thresholds nothing.
        (Conservative(_DOMAIN), [0.1] * 4 + [0.5], [2000, 2000, 2000, 1600, 1600]),
        (Conservative(_DOMAIN, freq_step=0.20), [0.1] * 3 + [0.9], [1600, 1200, 800, 1200]),
        (Conservative(_DOMAIN, freq_step=0.20), [0.1] * 5, [1600, 1200, 800, 400, 400]),
        (Conservative(_DOMAIN, freq_step=0.2, sampling_down_factor=2), [0.1] * 4, [2000, 1600, 1600, 1200]),
    ],
)
def test_a_rule_decides_as_documented(rule: Rule, busy: list[float], expected: list[int]) -> None:
    assert _clocks_mhz(rule, busy) == expected


def test_ondemand_samples_later_after_it_went_to_the_top() -> None:
    rule = Ondemand(_DOMAIN, sampling_down_factor=3)
    assert _clocks_mhz(rule, [0.1, 0.9] + [0.1] * 4) == [400, 2000, 2000, 2000, 400, 400]


def test_conservative_counts_the_periods_it_slept_through() -> None:
    # 40 ms idle and 9 ms of the tick: four periods of 100 MHz, then one step for the low load of before.
    rule = Conservative(_DOMAIN)
    assert _clocks_mhz(rule, [0.1, 0, 0, 0, 0, 0.1]) == [2000, 2000, 2000, 2000, 2000, 1600]


def test_conservative_starts_from_what_it_finds() -> None:
    rule = Conservative(_DOMAIN, freq_step=0.20)
    clocks = [rule.clock_hz(DomainState(400e6, 0.9), 0.010) / 1e6 for _ in range(3)]
    assert clocks == [800, 1200, 1600]


def test_schedutil_follows_the_scheduler_s_average() -> None:
    # Half of 32 ms at full load: 1 - 2^(-n·10/32), times 1.25, of 2 GHz: 0.195 → 487 MHz, 0.352 → 879 MHz,
    # 0.478 → 1195 MHz, 0.580 → 1449 MHz, 0.661 → 1654 MHz, if the clock had been the highest all the time.
    rule, clocks = Schedutil(_DOMAIN), []
    for _ in range(6):
        clocks.append(rule.clock_hz(DomainState(2000e6, 1.0), 0.010) / 1e6)
    assert clocks == [800, 1200, 1200, 1600, 2000, 2000]


def test_schedutil_weighs_busy_time_by_the_clock() -> None:
    rule = Schedutil(_DOMAIN)
    for _ in range(100):
        clock_hz = rule.clock_hz(DomainState(800e6, 1.0), 0.010)
    assert clock_hz == 1200e6  # 1.25 · 800 MHz, to the next point


def test_schedutil_keeps_its_rate_limit() -> None:
    rule = Schedutil(_DOMAIN, rate_limit_s=0.030)
    clocks = [rule.clock_hz(DomainState(2000e6, 1.0), 0.010) / 1e6 for _ in range(5)]
    assert clocks == [800, 800, 800, 1600, 1600]


@pytest.mark.parametrize("rule", [Performance, Powersave, Ondemand, Conservative, Schedutil])
@given(busy=st.lists(st.floats(0, 1), max_size=30), ceiling_mhz=st.sampled_from([400, 900, 2000, inf]))
def test_every_rule_keeps_the_ceiling_and_gives_points(
    rule: type[Performance], busy: list[float], ceiling_mhz: float
) -> None:
    clocks = _clocks_mhz(rule(_DOMAIN), busy, ceiling_mhz)
    assert all(clock * 1e6 in _OPPS_HZ and clock <= ceiling_mhz for clock in clocks)


def _seen(
    time_s: float,
    temperature_c: float | None = None,
    *,
    busy: float = 1.0,
    clock_hz: float = 2000e6,
    power_w: float | None = None,
    cap_w: float = inf,
) -> Observation:
    return Observation(time_s, (DomainState(clock_hz, busy, temperature_c),), power_w, cap_w)


@pytest.mark.parametrize(
    ("temperatures_c", "states"),
    [
        ([70, 79, 80, 81, 82], [0, 0, 1, 2, 3]),  # the trip is at 80
        ([81, 82, 82, 82], [1, 2, 2, 2]),  # steady: as it is
        ([81, 83, 85, 84, 82, 80.5], [1, 2, 3, 2, 1, 1]),  # above the trip one state remains
        ([81, 82, 78.5, 78.6, 77.9, 77.8], [1, 2, 1, 2, 1, 0]),  # down to 78 it counts as above
        ([81, 82, 83, 84, 85, 86, 87], [1, 2, 3, 4, 4, 4, 4]),
        ([81, 82, None, None, 83], [1, 2, 2, 2, 3]),
    ],
)
def test_step_wise_goes_by_trip_and_trend(temperatures_c: list[float | None], states: list[int]) -> None:
    limiter = StepWise(_MACHINE)
    found = [limiter.ceilings_hz(_seen(0, temperature_c), [1.0])[0] for temperature_c in temperatures_c]
    assert found == [_OPPS_HZ[-1 - state] if state else inf for state in states]


def test_a_case_that_is_too_hot_cools_every_domain() -> None:
    machine = Machine((_DOMAIN, Domain("little", _OPPS_HZ[:2])), {"case": 60.0})
    seen = Observation(0, (DomainState(2e9, 1), DomainState(8e8, 1)), temperatures_c={"case": 56.0})
    assert StepWise(machine).ceilings_hz(seen, [1, 1]) == [1600e6, 400e6]


_MODEL = EnergyModel([(0.5, 1.0, 2.0, 3.0, 4.0)], sustainable_w=1.5)


@pytest.mark.parametrize(
    ("temperatures_c", "ceilings_mhz"),
    [
        ([60], [inf]),  # switched on at 65
        # At 74: 1.5 + 2·1.5/15·6 = 2.7 W → 1200 MHz. At 80: 1.5 W → 800 MHz.
        ([74, 80], [1200, 800]),
        # At 82: 1.5 − 0.1·2 − 0.02·2 = 1.26 W; and 0.04 W less each time: 1.22 … 1.02, 0.98.
        ([82] * 8, [800] * 7 + [400]),
        # What was summed up is forgotten below the switch-on temperature.
        ([90] * 20 + [60, 80], [400] * 20 + [inf, 800]),
    ],
)
def test_the_power_allocator_controls_to_its_temperature(
    temperatures_c: list[float], ceilings_mhz: list[float]
) -> None:
    allocator = PowerAllocator(_MACHINE, _MODEL)
    found = [allocator.ceilings_hz(_seen(0, warm_c), [1.0])[0] / 1e6 for warm_c in temperatures_c]
    assert found == ceilings_mhz


def test_the_power_allocator_grants_idle_cores_more() -> None:
    # At half load a grant of 1.5 W is enough for the point that draws 3 W when all cores are busy.
    assert PowerAllocator(_MACHINE, _MODEL).ceilings_hz(_seen(0, 80), [0.5]) == [1600e6]


@pytest.mark.parametrize(
    ("asked_w", "most_w", "budget_w", "granted_w"),
    [
        ([1, 1, 1], [9, 9, 9], 3, [1, 1, 1]),
        ([3, 1], [9, 9], 2, [1.5, 0.5]),
        ([3, 1], [1, 4], 4, [1, 3]),  # the first takes 1 of its 3; 2 are left for the second
        ([1, 0], [1, 4], 3, [1, 2]),
        ([1, 1], [1, 1], 9, [1, 1]),
        ([0, 0], [1, 1], 2, [0, 0]),
    ],
)
def test_a_budget_is_split_by_what_is_asked(
    asked_w: list[float], most_w: list[float], budget_w: float, granted_w: list[float]
) -> None:
    assert split(asked_w, most_w, budget_w) == pytest.approx(granted_w)


def test_the_capper_steps_with_the_meter() -> None:
    capper = Capper(_MACHINE)
    power_w = [6.0, 5.5, 4.9, 4.8, 4.7, 4.0, 4.0]
    found = [capper.ceilings_hz(_seen(0, power_w=watts, cap_w=5.0), [1.0])[0] / 1e6 for watts in power_w]
    assert found == [1600, 1200, 1200, 1200, 1600, inf, inf]
    assert capper.ceilings_hz(_seen(0, power_w=9.0), [1.0]) == [inf]


class _Recorder:
    """Takes the ceiling it sees, and remembers when."""

    tick_s = 0.010

    def __init__(self) -> None:
        self.asked_s: list[float] = []

    def decide(self, seen: Observation) -> Decision:
        self.asked_s.append(seen.time_s)
        return Decision((at_most(_OPPS_HZ, seen.domains[0].ceiling_hz),), "inner")


def test_a_limiter_is_polled_in_its_own_time_and_its_ceilings_hold() -> None:
    inner = _Recorder()
    governor = Limited(_MACHINE, inner, StepWise(_MACHINE))
    decided = [governor.decide(_seen(tick / 100, 70 + tick)) for tick in range(1, 41)]
    # Polled each 100 ms: at 80 °C for the first time above the trip, then rising each time.
    assert [decision.clock_hz[0] / 1e6 for decision in decided[::10]] == [2000, 1600, 1200, 800]
    assert len(inner.asked_s) == 40


def test_limiters_stand_above_one_another() -> None:
    inner = Cpufreq(_MACHINE, Performance, tick_s=0.1)
    governor = Limited(_MACHINE, Limited(_MACHINE, inner, StepWise(_MACHINE)), Capper(_MACHINE))
    seen = [_seen(tick / 10, 85 + tick / 10, power_w=9, cap_w=5) for tick in range(1, 4)]
    assert [governor.decide(one).clock_hz[0] / 1e6 for one in seen] == [1600, 1200, 800]
    assert governor.decide(_seen(0.4, 70, power_w=3, cap_w=5)).clock_hz == (1200e6,)


@pytest.mark.parametrize("name", ["rk3399", "v100"])
def test_the_power_allocator_is_told_what_the_board_can_keep_up(name: str) -> None:
    machine = board(name)
    model = energy_model(machine)
    most_w = sum(points_w[-1] for points_w in model.power_w)
    assert 0.1 * most_w < model.sustainable_w <= most_w
    assert all(sorted(points_w) == points_w for points_w in map(list, model.power_w))


@pytest.mark.parametrize("name", list(BASELINES))
def test_every_baseline_runs_a_board(name: str) -> None:
    machine = board("rk3399")
    future = scenario("periodic", machine, duration_s=2)
    done = run(machine, future, contestant(name)(machine, future))
    assert len(done.seconds) == 2
    assert sum(end_s == end_s for end_s in done.ended_s[0]) > 10


def test_a_contestant_that_is_none_is_told() -> None:
    with pytest.raises(EdgeError, match="schedutil"):
        contestant("schedutl")
    with pytest.raises(EdgeError, match="nosuch"):
        contestant("nosuch.module:thing")
