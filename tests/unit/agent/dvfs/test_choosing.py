"""How a choice is made: bounds of time, search, exploration."""

from __future__ import annotations

from itertools import product
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeagent.dvfs.demand import Demand, bound_s, longest_s
from edgeagent.dvfs.explore import Explorer
from edgeagent.dvfs.search import Limit, cheapest

_TERMS = st.lists(st.integers(0, 20).map(float), min_size=3, max_size=3)
_LIMIT = st.tuples(st.lists(st.just([]) | _TERMS, min_size=3, max_size=3), st.integers(0, 50))


@settings(max_examples=150, derandomize=True, deadline=None)
@given(st.lists(_TERMS, min_size=3, max_size=3), st.lists(_LIMIT, max_size=4))
def test_nothing_is_cheaper_than_what_the_search_finds(
    costs: list[list[float]], bounds: list[tuple[list[list[float]], int]]
) -> None:
    limits = [Limit("", terms, float(bound)) for terms, bound in bounds]
    right = [c for c in product(range(3), repeat=3) if all(limit.holds(c) for limit in limits)]
    found = cheapest(costs, limits)
    if not right:
        assert found is None
        return
    assert found in right
    assert _cost(costs, found) == min(_cost(costs, c) for c in right)


def _cost(costs: list[list[float]], choice: tuple[int, ...]) -> float:
    return sum(cost[k] for cost, k in zip(costs, choice, strict=True))


@pytest.mark.parametrize(
    ("work", "slack_s", "tick_s", "fastest_s", "longest"),
    [
        (0.0, 1.0, 0.1, 0.1, inf),
        (1.0, 0.05, 0.1, 0.01, 0.05),  # it ends before the next decision: straight on
        (2.0, 0.05, 0.1, 0.01, 0.025),
        (1.0, 1.0, 0.1, 0.1, inf),  # fast enough from the next decision on
        (10.0, 1.0, 0.1, 0.1, 0.1),
        (9.5, 1.0, 0.1, 0.1, 0.2),  # half a unit must be done before it
        (1.0, -0.1, 0.1, 0.1, 0.0),
    ],
)
def test_how_long_a_unit_may_take(
    work: float, slack_s: float, tick_s: float, fastest_s: float, longest: float
) -> None:
    assert longest_s(work, slack_s, tick_s, fastest_s) == pytest.approx(longest)


def _bound_s(pending_s: list[float], begun: float = 0.0, deadline_s: float = 0.4) -> float:
    return bound_s(deadline_s, pending_s, begun, 1.0, 0.1, 0.05, 0.2, 1.0, 1.0, 0.0)[0]


def test_a_longer_queue_must_be_worked_off_faster() -> None:
    bounds = [_bound_s([0.1] * count) for count in range(1, 6)]
    assert bounds == sorted(bounds, reverse=True)
    assert bounds[0] == pytest.approx(0.3)
    assert bounds[2] == pytest.approx(0.1)


def test_an_older_unit_must_be_worked_off_faster_and_one_half_done_need_not() -> None:
    assert _bound_s([0.2]) < _bound_s([0.1])
    assert _bound_s([0.2], begun=0.5) > _bound_s([0.2])


def test_what_is_late_anyhow_hurries_nobody() -> None:
    assert _bound_s([0.5]) > _bound_s([0.35])


def test_a_rate_is_that_of_the_last_arrivals() -> None:
    demand = Demand()
    times = [0.1 * n for n in range(100)]
    demand.learn(times, 0.1, 0.5)
    demand.learn(times, 0.1, 0.5)  # told again
    assert demand.rate_per_s(9.9) == pytest.approx(10.0)
    assert demand.rate_per_s(39.6) == pytest.approx(2.5, rel=0.01)
    assert demand.rate_per_s(500.0) == 0.0


def test_a_steady_pace_lets_no_queue_grow() -> None:
    demand = Demand()
    demand.learn([0.1 * n for n in range(100)], 0.1, 0.5)
    for _ in range(200):
        steady_s = demand.steady_s(0.5, 1.0, 0.005)
    assert steady_s == pytest.approx(0.1, rel=0.06)


def test_bursts_are_counted() -> None:
    demand = Demand()
    demand.learn([n + late for n in range(60) for late in (0.0, 0.01, 0.02)], 0.1, 1.5)
    for _ in range(300):
        demand.judge(False, 0.01)
    assert (demand.burst, demand.crowd) == (3.0, 6.0)
    demand.judge(True, 0.01)
    assert demand.burst > 3.9


def test_everything_affordable_is_tried_at_first_and_then_left_in_peace() -> None:
    explorer = Explorer([4])
    costs_w = [[1.0, 1.1, 1.2, 9.0]]
    tried = []
    for _ in range(3000):
        choice = explorer.turn((0,), costs_w, 3.0, [True], lambda c: c != (1,), 0.1)
        explorer.seen(0, choice[0], 0.1)
        tried.append(choice[0])
    assert tried.count(1) == tried.count(3) == 0  # unsafe, and too dear
    assert 3 <= tried[:500].count(2) <= 20
    assert tried[600:].count(2) == 0  # a twentieth dearer: not worth it any more


def test_where_nothing_happens_nothing_is_tried() -> None:
    explorer = Explorer([3])
    choices = {explorer.turn((0,), [[1.0, 1.0, 1.0]], 3.0, [False], lambda c: True, 0.1) for _ in range(200)}
    assert choices == {(0,)}
