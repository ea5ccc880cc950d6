"""The limit: its steps against the simulator, its ways against all there are, its clocks against others'."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeagent_hil.dvfs import Part, Scenario, Stream, board, judge, run, scenario
from edgeagent_hil.dvfs.clairvoyant import Clairvoyant
from edgeagent_hil.dvfs.clairvoyant.program import Costs, State, cheapest
from edgeagent_hil.dvfs.clairvoyant.replay import Meter, replay
from edgeagent_hil.dvfs.clairvoyant.work import Work, advance, work
from edgeagent_hil.dvfs.contestants import BASELINES, contestant
from edgeagent_hil.dvfs.curves import steps
from edgeagent_hil.dvfs.queueing import Queue

_TICK_S = 0.1
_PART = Part(
    name="chip",
    cores=2,
    clock_hz=(0.5e9, 1.0e9, 2.0e9),
    core_w=(0.2, 0.5, 2.0),
    leak_share=(0.3, 0.5, 1.0),
    leakage_w=0.4,
    leakage_at_c=80.0,
    leakage_efold_k=30.0,
    idle_w=0.02,
    awake_w=0.1,
    junction_k_per_w=0.0,
    limit_c=85.0,
    critical_c=95.0,
    shutdown_c=110.0,
    metered=False,
)


@st.composite
def _streams(draw: st.DrawFn, most: int = 12, ticks: int = 5) -> Stream:
    arrival_s = sorted(draw(st.lists(st.floats(0, ticks * _TICK_S), min_size=1, max_size=most)))
    units = len(arrival_s)
    cycles = draw(st.lists(st.floats(1e6, 3e8), min_size=units, max_size=units))
    share = draw(st.floats(0, 0.5))
    return Stream(
        name="work",
        domain=0,
        threads=2,
        deadline_s=draw(st.floats(0.02, 0.4)),
        arrival_s=np.array(arrival_s),
        cycles=np.array(cycles),
        memory_s=np.array(cycles) * share / 2e9,
        stalled=1.0,
    )


def _served(stream: Stream, points: tuple[int, ...]) -> tuple[float, list[float]]:
    """Energy for being busy, and when units ended, as the simulator has them."""
    queue, energy_j = Queue(stream, "chip"), 0.0
    for tick, point in enumerate(points):
        busy_s, active_s = queue.serve(tick * _TICK_S, (tick + 1) * _TICK_S, _PART.clock_hz[point])
        energy_j += _PART.awake_w * busy_s + _PART.core_w[point] * stream.threads * active_s
    return energy_j, queue.ended_s


def _late(ended_s: list[float], one: Work, ticks: int) -> int:
    """Units due by the end that were not done in time; NaN is never in time."""
    return sum(
        due_s <= ticks * _TICK_S and not end_s <= due_s
        for end_s, due_s in zip(ended_s, one.due_s, strict=False)
    )


@given(stream=_streams(), points=st.tuples(*[st.integers(0, 2)] * 6))
def test_a_queue_advances_as_in_the_simulator(stream: Stream, points: tuple[int, ...]) -> None:
    one = work(stream, _PART, inf, _TICK_S)
    unit, done, energy_j, late = np.zeros(1, np.intp), np.zeros(1), 0.0, 0
    for tick, point in enumerate(points):
        moves = advance(one, unit, done, tick * _TICK_S, (tick + 1) * _TICK_S)
        unit, done = moves.unit[point], moves.done[point]
        energy_j += moves.energy_j[point, 0]
        late += moves.late[point, 0]
    expected_j, ended_s = _served(stream, points)
    over = [end_s for end_s in ended_s if end_s == end_s]
    assert abs(len(over) - (unit[0] + done[0])) < 1 + 1e-9
    assert energy_j == pytest.approx(expected_j, abs=1e-7)
    assert late == _late(ended_s, one, len(points))


def _costs(ticks: int, *, late_j: float, spare_j: float = inf) -> Costs:
    hold_w = np.outer(0.5 + 0.1 * np.arange(ticks), _PART.leak_share)
    return Costs(hold_w * _TICK_S, np.ones(ticks), np.full(ticks, spare_j), 10.0, late_j, 0.05, 1e-9)


@settings(max_examples=40)
@given(stream=_streams(most=8, ticks=3), late_j=st.floats(0, 1), spare_j=st.floats(0.02, 0.6) | st.just(inf))
def test_no_way_is_cheaper_than_the_cheapest(stream: Stream, late_j: float, spare_j: float) -> None:
    ticks = 4
    one, costs = work(stream, _PART, inf, _TICK_S), _costs(ticks, late_j=late_j, spare_j=spare_j)
    way = cheapest(one, State(0, 0.0), np.linspace(0, ticks * _TICK_S, ticks + 1), costs)

    def cost(points: tuple[int, ...]) -> float:
        paid = 0.0
        for tick in range(ticks):
            until, before = _served(stream, points[: tick + 1])[0], _served(stream, points[:tick])[0]
            hold_j = costs.hold_j[tick, points[tick]]
            paid += until - before + hold_j + 10 * max(until - before + hold_j - spare_j, 0)
        ended_s = _served(stream, points)[1]
        done = sum(end_s == end_s for end_s in ended_s)
        return paid + late_j * _late(ended_s, one, ticks) - costs.done_j * done

    everything = {points: cost(points) for points in product(range(3), repeat=ticks)}
    least = min(everything.values())
    assert way.cost == pytest.approx(least, abs=1e-6)
    assert everything[tuple(way.points.tolist())] == pytest.approx(least, abs=1e-6)


def test_a_meter_before_the_supply_is_inverted() -> None:
    machine = replace(board("x3550m3"), ac=True)
    idle = np.zeros((3, len(machine.parts)))
    future = scenario("periodic", machine, duration_s=10)
    seen = replay(machine, future, idle.astype(np.intp), idle, _TICK_S)
    chips_w, other_w = seen.part_w.sum(axis=1), float(machine.plant.board_w[0])
    assert (seen.dc_w > chips_w + other_w - 1e-6).all()
    meter = Meter(machine)
    near = meter.dc_w(seen.meter_w + 1.0) - meter.dc_w(seen.meter_w)
    assert near == pytest.approx(1 / meter.marginal(seen.dc_w + near / 2), rel=1e-6)
    assert np.isinf(meter.dc_w(np.array([inf]))).all()


def _short(name: str, duration_s: int = 14) -> Scenario:
    return replace(scenario(name, board("rk3399"), duration_s=duration_s), learn_s=6)


@pytest.mark.parametrize("name", ["periodic", "two"])
def test_nobody_who_keeps_the_deadlines_uses_less(name: str) -> None:
    machine, future = board("rk3399"), _short(name)
    governor = Clairvoyant(machine, future)
    limit = judge(run(machine, future, governor))
    assert (limit.misses, limit.over_limit_s, limit.over_cap_s) == (0, 0, 0)
    assert 0 <= governor.optimum.gap_j < 0.02 * limit.energy_j
    assert governor.optimum.energy_j == pytest.approx(limit.energy_j, rel=1e-4)
    for rival in BASELINES:
        score = judge(run(machine, future, contestant(rival)(machine, future)))
        assert score.misses > 0.01 or score.unit_j > limit.unit_j, rival


def test_a_cap_is_kept_and_so_are_the_deadlines() -> None:
    machine, future = board("rk3399"), _short("periodic")
    free = judge(run(machine, future, Clairvoyant(machine, future)))
    cap_w = 1.02 * free.energy_j / (future.duration_s - future.learn_s)
    capped = replace(future, cap_w=steps((0.0, inf), (8.0, cap_w)))
    score = judge(run(machine, capped, Clairvoyant(machine, capped)))
    assert (score.misses, score.over_cap_s) == (0, 0)
    assert score.unit_j >= free.unit_j * 0.999


def test_what_cannot_be_in_time_is_late_as_rarely_as_it_can() -> None:
    machine, future = board("rk3399"), _short("periodic")
    stream = future.streams[0]
    burst = (stream.arrival_s > 10) & (stream.arrival_s < 10.2)
    future = replace(future, streams=(replace(stream, cycles=np.where(burst, 4.0, 1.0) * stream.cycles),))
    rivals = [contestant(name)(machine, future) for name in ("clairvoyant", "performance")]
    scores = [judge(run(machine, future, governor)) for governor in rivals]
    assert 0 < scores[0].misses <= scores[1].misses


def test_the_same_future_has_the_same_limit() -> None:
    machine, future = board("rk3399"), _short("bursty")
    one, other = (Clairvoyant(machine, future).optimum.points for _ in range(2))
    assert np.array_equal(one, other)


def test_without_work_the_lowest_clocks_are_best() -> None:
    machine, future = board("rk3399"), _short("periodic")
    none = np.zeros(0)
    future = replace(
        future, streams=(replace(future.streams[0], arrival_s=none, cycles=none, memory_s=none),)
    )
    found = Clairvoyant(machine, future).optimum
    assert not found.points.any()
    assert found.gap_j == 0
