"""The governor in a closed loop, and whatever it is shown."""

from __future__ import annotations

import json
from math import inf, isfinite, nan
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeagent.dvfs.governor import EdgeGovernor
from edgeagent_sdk.governor import (
    Domain,
    DomainState,
    Learning,
    Machine,
    Observation,
    Session,
    Unit,
)

from .toy import TICK_S, Toy


def test_it_finds_the_cheapest_clock_that_is_in_time() -> None:
    toy = Toy()
    toy.run(EdgeGovernor(toy.machine), 40)
    assert toy.late <= 0.01 * toy.units
    # 20e6 / 0.5e9 + 0.004 = 44 ms of 50: the lowest point is just fast enough
    assert toy.clocks_hz[-50:].count(0.5e9) >= 45


def test_a_new_machine_begins_fast_enough() -> None:
    toy = Toy(cycles=60e6)  # only 1.4 GHz and above are in time
    toy.run(EdgeGovernor(toy.machine), 20)
    assert toy.late <= 6
    assert min(toy.clocks_hz[20:]) >= 1.4e9


@pytest.mark.parametrize("cap_w", [3.2, 4.0, 5.0])
def test_the_very_next_decision_is_below_a_cap(cap_w: float) -> None:
    toy = Toy(cycles=60e6, rest_w=1.0)
    governor = EdgeGovernor(toy.machine)
    toy.run(governor, 30)
    toy.cap_w = cap_w
    begin = len(toy.drawn_w)
    toy.run(governor, 10)
    seconds = [toy.drawn_w[i : i + 10] for i in range(begin, len(toy.drawn_w), 10)]
    assert max(sum(second) / len(second) for second in seconds) <= cap_w * 1.005


@pytest.mark.parametrize("opps_hz", [(1e9,), (0.5e9, 1e9)], ids=["no choice", "two clocks"])
@pytest.mark.parametrize(
    ("metered", "why"),
    [
        (True, "power cap cannot be kept: all is as slow as can be"),
        (False, "power cap without a meter: whether it can be kept is not known"),
    ],
)
def test_a_cap_that_cannot_be_kept_is_told(opps_hz: tuple[float, ...], metered: bool, why: str) -> None:
    toy = Toy(opps_hz=opps_hz, cycles=1e6, power=metered, cap_w=1.0)
    toy.run(EdgeGovernor(toy.machine), 10)
    assert toy.clock_hz == opps_hz[0] and toy.drawn_w[-1] > toy.cap_w
    assert toy.decision.why == why


def test_under_a_cap_without_a_meter_it_goes_as_slow_as_it_can() -> None:
    toy = Toy(power=False, cap_w=5.0)
    toy.run(EdgeGovernor(toy.machine), 5)
    assert set(toy.clocks_hz) == {0.5e9}


def test_without_a_meter_it_still_keeps_deadlines_and_does_not_race() -> None:
    toy = Toy(power=False)
    toy.run(EdgeGovernor(toy.machine), 30)
    assert toy.late <= 0.01 * toy.units
    assert max(toy.clocks_hz[-50:]) <= 0.8e9


@pytest.mark.parametrize("ambient_c", [40.0, 55.0, 62.0])
def test_it_stays_below_the_temperature_limit(ambient_c: float) -> None:
    toy = Toy(cycles=60e6, ambient_c=ambient_c)
    toy.run(EdgeGovernor(toy.machine), 90)
    assert toy.hottest_c <= 85.0


def test_it_stays_below_the_limit_without_a_meter() -> None:
    toy = Toy(cycles=60e6, ambient_c=58.0, power=False)
    toy.run(EdgeGovernor(toy.machine), 90)
    assert toy.hottest_c <= 85.0


def test_it_stays_below_the_limit_while_its_surroundings_grow_hot() -> None:
    toy = Toy(cycles=60e6)
    governor = EdgeGovernor(toy.machine)
    for _ in range(120):
        toy.run(governor, 1)
        toy.ambient_c = min(68.0, toy.ambient_c + 0.6)
    assert toy.hottest_c <= 85.0


def test_while_the_sensor_is_silent_it_trusts_its_model_less_and_less() -> None:
    toy = Toy(cycles=60e6, ambient_c=50.0)
    governor = EdgeGovernor(toy.machine)
    toy.run(governor, 30)
    toy.sensor = False
    toy.run(governor, 120)
    assert toy.hottest_c <= 85.0
    assert toy.clocks_hz[-1] == 0.5e9


def test_never_told_a_temperature_it_stays_cool() -> None:
    toy = Toy(sensor=False)
    toy.run(EdgeGovernor(toy.machine), 5)
    assert set(toy.clocks_hz[2:]) == {0.5e9}


def test_a_ceiling_holds() -> None:
    toy = Toy(cycles=60e6)
    governor = EdgeGovernor(toy.machine)
    toy.run(governor, 10)
    toy.ceiling_hz = 1.2e9
    begin = len(toy.clocks_hz)
    toy.run(governor, 10)
    assert max(toy.clocks_hz[begin:]) == 1.1e9


def test_a_phase_bound_by_memory_is_found_both_ways() -> None:
    toy = Toy(cycles=40e6)
    governor = EdgeGovernor(toy.machine)
    toy.run(governor, 40)
    late = toy.late
    toy.memory_s, toy.cycles = 0.024, 20e6
    toy.run(governor, 30)
    toy.memory_s, toy.cycles = 0.004, 40e6
    toy.run(governor, 30)
    assert toy.late - late <= 12
    assert toy.clocks_hz[-30:].count(1.1e9) >= 25


def test_what_it_tells_adds_up() -> None:
    toy = Toy()
    toy.run(EdgeGovernor(toy.machine), 30)
    assert toy.decision.why
    numbers = toy.decision.numbers
    assert numbers["power_w"] == pytest.approx(toy.drawn_w[-1], rel=0.05)
    assert numbers["camera.latency_s"] == pytest.approx(0.044, rel=0.05)
    assert numbers["camera.slack_s"] == pytest.approx(0.006, abs=0.003)
    assert numbers["unit_j"] == pytest.approx(0.05 * numbers["power_w"], rel=0.03)
    assert numbers["next_unit_j"] >= 0.99 * numbers["unit_j"]
    assert numbers["cpu.temperature_c"] == pytest.approx(toy.temperature_c, abs=3.0)


def test_a_restart_goes_on_where_it_was() -> None:
    toy = Toy(cycles=30e6)
    first = EdgeGovernor(toy.machine)
    assert isinstance(first, Learning)
    toy.run(first, 60)
    second = EdgeGovernor(toy.machine)
    second.recall(json.loads(json.dumps(first.memory())))
    begin = len(toy.clocks_hz)
    late = toy.late
    toy.run(second, 3)
    assert toy.late - late <= 1
    assert toy.clocks_hz[begin + 5] == toy.clocks_hz[begin - 1]


def _poisoned(memory: Any) -> Any:
    if isinstance(memory, dict):
        return {key: _poisoned(value) for key, value in memory.items() if key != "points_hz"} | {
            key: value for key, value in memory.items() if key == "points_hz"
        }
    if isinstance(memory, list):
        return [_poisoned(value) for value in memory]
    return memory * 1e-4 if isinstance(memory, float) else memory


def test_wrong_memories_do_no_harm() -> None:
    toy = Toy(cycles=60e6, ambient_c=55.0)
    first = EdgeGovernor(toy.machine)
    toy.run(first, 30)
    second = EdgeGovernor(toy.machine)
    second.recall(_poisoned(first.memory()))
    late, units = toy.late, toy.units
    toy.run(second, 40)
    assert toy.late - late <= 0.01 * (toy.units - units) + 2
    assert toy.hottest_c <= 85.0


_JUNK = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.integers(-(10**6), 10**6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=10,
)


@settings(max_examples=25, derandomize=True, deadline=None)
@given(st.dictionaries(st.sampled_from(["power", "heat", "elsewhere", "sessions"]), _JUNK))
def test_any_memory_can_be_recalled(memory: dict[str, Any]) -> None:
    toy = Toy()
    governor = EdgeGovernor(toy.machine)
    own = governor.memory()
    governor.recall({**own, **memory})
    toy.run(governor, 0.5)


_NUMBERS = st.floats(0.0, 1e3) | st.sampled_from([nan, -inf, inf, -1.0])
_TEMPERATURES = st.floats(-30.0, 130.0) | st.sampled_from([nan, inf])
_UNITS = st.builds(Unit, st.floats(0.0, 30.0), st.floats(0.0, 5.0), st.floats(0.0, 5.0))
_SESSIONS = st.builds(
    Session,
    st.sampled_from(["a", "b"]),
    st.sampled_from([(), ("cpu",), ("gpu",), ("cpu", "gpu"), ("other",)]),
    st.floats(1e-3, 10.0),
    st.lists(_UNITS, max_size=4).map(tuple),
    st.lists(st.floats(0.0, 20.0), max_size=4).map(tuple),
    st.none() | st.floats(0.0, 20.0),
    st.floats(1e-4, 0.2),
)
_STATES = st.builds(
    DomainState,
    st.floats(0.0, 3e9),
    st.floats(0.0, 1.0) | st.sampled_from([nan, 1.7]),
    st.none() | _TEMPERATURES,
    st.none() | _NUMBERS,
    st.just(inf) | st.floats(1e6, 3e9),
)
_SEEN = st.builds(
    Observation,
    st.just(0.0),
    st.tuples(_STATES, _STATES),
    st.none() | _NUMBERS,
    st.just(inf) | _NUMBERS,
    st.dictionaries(st.just("case"), _TEMPERATURES),
    st.lists(_SESSIONS, max_size=3).map(tuple),
)
_MACHINE = Machine(
    (Domain("cpu", (0.5e9, 1e9, 2e9), 4, 90.0), Domain("gpu", tuple(k * 1e8 for k in range(1, 31)))),
    {"case": 50.0},
)


@settings(max_examples=25, derandomize=True, deadline=None)
@given(st.lists(st.tuples(_SEEN, st.floats(0.0, 3.0)), min_size=1, max_size=12))
def test_whatever_it_sees_it_decides(ticks: list[tuple[Observation, float]]) -> None:
    governor = EdgeGovernor(_MACHINE)
    now_s = 0.0
    for seen, later_s in ticks:
        now_s += later_s
        decision = governor.decide(seen._replace(time_s=now_s))
        for domain, state, hz in zip(_MACHINE.domains, seen.domains, decision.clock_hz, strict=True):
            assert hz in domain.opps_hz
            assert hz <= max(state.ceiling_hz, domain.opps_hz[0])
        assert all(isfinite(value) for value in decision.numbers.values())
    json.dumps(governor.memory(), allow_nan=False)


def test_ticks_may_come_late() -> None:
    toy = Toy()
    governor = EdgeGovernor(toy.machine)
    toy.run(governor, 10)
    toy.time_s += 60.0
    toy._next_s = toy.time_s
    toy.run(governor, 10)
    assert toy.clocks_hz[-1] == 0.5e9
    assert governor.tick_s == TICK_S
