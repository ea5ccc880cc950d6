"""Filling the tree: exact, fair, and never above a limit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from edgeagent_central.optimize.power.backtest.bound import by_highs
from edgeagent_central.optimize.power.fill import Curves, Filling, fill
from edgeagent_central.optimize.power.tree import Array, Tree

from .worlds import problems

#: Site, two racks, two servers each.
TREE = Tree.build([-1, 0, 0], [0, 0, 0], [1, 1, 2, 2])


def curves(*worth: float, width_w: float = 100.0, floor_w: float = 10.0) -> Curves:
    """One segment each."""
    count = len(worth)
    return Curves(np.full(count, floor_w), np.full((count, 1), width_w), np.array(worth)[:, None])


@pytest.mark.parametrize(
    ("worth", "limit_w", "expected_w"),
    [
        pytest.param((1, 1, 1, 1), (999, 999, 999), (110, 110, 110, 110), id="nothing binds"),
        pytest.param((1, 1, 1, 1), (240, 999, 999), (60, 60, 60, 60), id="equals share equally"),
        pytest.param((4, 1, 1, 1), (240, 999, 999), (110, 43.33, 43.33, 43.33), id="the worthier first"),
        pytest.param((4, 4, 1, 1), (999, 120, 999), (60, 60, 110, 110), id="a rack binds its own only"),
        pytest.param((4, 4, 1, 1), (240, 120, 999), (60, 60, 60, 60), id="what a rack cannot use goes on"),
        pytest.param((4, 3, 2, 1), (240, 999, 999), (110, 110, 10, 10), id="by worth"),
        pytest.param((1, 1, 1, 1), (20, 999, 999), (10, 10, 10, 10), id="floors are drawn in any case"),
    ],
)
def test_cases(worth: tuple[float, ...], limit_w: tuple[float, ...], expected_w: tuple[float, ...]) -> None:
    found = fill(TREE, curves(*worth), np.array(limit_w, float))
    assert found.power_w == pytest.approx(expected_w, abs=0.01)


@pytest.mark.parametrize(
    ("worth", "limit_w", "price"),
    [
        pytest.param(
            (4, 3, 2, 1), (260, 120, 999), (1, 2, 0), id="a rack's own is what it adds to the site's"
        ),
        pytest.param((1, 1, 1, 1), (240, 120, 999), (1, 0, 0), id="a rack that only might bind"),
        pytest.param((1, 1, 1, 1), (999, 120, 999), (0, 1, 0), id="a rack alone"),
        pytest.param((1, 1, 1, 1), (999, 999, 999), (0, 0, 0), id="nothing binds"),
    ],
)
def test_prices(worth: tuple[float, ...], limit_w: tuple[float, ...], price: tuple[float, ...]) -> None:
    """What one more W there would do: with it, the work rises by as much."""
    limits_w = np.array(limit_w, float)
    found = fill(TREE, curves(*worth), limits_w)
    assert found.price == pytest.approx(price)
    for domain, expected in enumerate(price):
        more_w = limits_w + np.eye(3)[domain]
        gained = (fill(TREE, curves(*worth), more_w).power_w - found.power_w) @ np.array(worth, float)
        assert gained == pytest.approx(expected)


@given(problems())
def test_it_is_the_optimum(problem: tuple[Tree, Curves, Array]) -> None:
    """HiGHS finds nothing better; no limit is passed; nobody gets less than nothing or more than asked."""
    tree, want, limit_w = problem
    filling = Filling(tree, want)
    for level in tree.levels:
        filling.cut(level, limit_w)
    assert (filling.width_w * want.worth).sum() == pytest.approx(by_highs(tree, want, limit_w), abs=1e-6)
    assert np.all(filling.width_w >= 0) and np.all(filling.width_w <= want.width_w + 1e-9)
    power_w = want.floor_w + filling.width_w.sum(axis=1)
    assert np.all(tree.load_w(power_w) <= limit_w + 1e-6)


@given(problems())
def test_more_budget_is_never_worse_for_anybody(problem: tuple[Tree, Curves, Array]) -> None:
    tree, want, limit_w = problem
    more_w = limit_w.copy()
    more_w[0] += 10.0
    assert np.all(fill(tree, want, more_w).power_w >= fill(tree, want, limit_w).power_w - 1e-9)


@given(problems())
def test_priority_pays(problem: tuple[Tree, Curves, Array]) -> None:
    """Whose work counts twice as much never gets less for it."""
    tree, want, limit_w = problem
    worth = want.worth.copy()
    worth[0] *= 2
    raised = fill(tree, want._replace(worth=worth), limit_w)
    assert raised.power_w[0] >= fill(tree, want, limit_w).power_w[0] - 1e-9


def test_what_is_unlikely_counts_little() -> None:
    """A segment that counts for nothing is free, until something below it is cut."""
    want = Curves(np.array([10.0, 10.0]), np.array([[50.0, 50.0]] * 2), np.array([[2.0, 1.0]] * 2))
    tree = Tree.build([-1], [0], [0, 0])
    for limit_w, expected in ((120.0, [[50, 50], [50, 50]]), (90.0, [[35, 0], [35, 0]])):
        filling = Filling(tree, want, np.array([[1.0, 0.0]] * 2))
        filling.cut(tree.levels[0], np.array([limit_w]))
        assert filling.width_w == pytest.approx(np.array(expected, float))
