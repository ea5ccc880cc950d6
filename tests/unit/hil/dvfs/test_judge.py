"""What a run is judged by."""

from __future__ import annotations

from math import inf, isnan, nan

import pytest

from edgeagent_hil.dvfs import Run, Scenario, board, judge
from edgeagent_hil.dvfs.simulator import Second
from tests.unit.hil.dvfs.governors import stream


def _second(power_w: float = 5.0, cap_w: float = inf, over_k: float = -1.0, switches: int = 0) -> Second:
    return Second(power_w, cap_w, (1e9,), (50.0,), over_k, switches)


def _run(seconds: list[Second], arrival_s: list[float], ended_s: list[float], learn_s: int = 2) -> Run:
    units = stream(arrival_s, cycles=1e9, deadline_s=1.0)
    future = Scenario("test", len(seconds), (units,), learn_s=learn_s)
    return Run(board("rk3399"), future, seconds, [ended_s], [0.0], decide_ns=list(range(1, 101)))


def test_energy_is_that_of_the_units_done_after_learning() -> None:
    seconds = [_second(100.0), _second(100.0), *[_second(5.0)] * 4]
    score = judge(_run(seconds, [0.5, 2.5, 3.5], [1.0, 3.0, 4.0]))
    assert (score.units, score.energy_j, score.unit_j) == (2, 20.0, 10.0)
    assert score.latency_s == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("arrival_s", "ended_s", "misses"),
    [
        ([2.0, 3.0], [3.0, 3.5], 0.0),  # just in time
        ([2.0, 3.0], [3.001, 3.5], 0.5),
        ([2.0, 3.0], [nan, 3.5], 0.5),  # never done
        ([0.0, 3.0], [nan, 3.5], 0.0),  # that was while it learned
        ([2.0, 5.5], [2.5, nan], 0.0),  # not due before the end
        ([], [], 0.0),
    ],
)
def test_misses(arrival_s: list[float], ended_s: list[float], misses: float) -> None:
    assert judge(_run([_second()] * 6, arrival_s, ended_s)).misses == misses


def test_seconds_over_limit_and_cap() -> None:
    seconds = [
        _second(over_k=9.0, power_w=9.0, cap_w=1.0),  # learning
        _second(),
        _second(over_k=0.0),  # at the limit
        _second(over_k=0.01),
        _second(power_w=5.02, cap_w=5.0),  # within what the meter can err
        _second(power_w=5.03, cap_w=5.0, switches=3),
    ]
    score = judge(_run(seconds, [], []))
    assert (score.over_limit_s, score.over_cap_s, score.switches) == (1, 1, 3)


def test_who_has_done_nothing_has_spent_infinitely_much_on_it() -> None:
    score = judge(_run([_second()] * 6, [2.0], [nan]))
    assert score.unit_j == inf and isnan(score.latency_s)


def test_the_time_of_a_decision_is_the_99th_of_100() -> None:
    assert judge(_run([_second()] * 6, [], [])).decide_p99_s == pytest.approx(100e-9)
