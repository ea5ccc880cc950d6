"""The judge: what it lets pass, and what not, whoever made the plan."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgeagent_central.optimize.power.checker import Checker, carried_w
from edgeagent_central.optimize.power.plan import Plan
from edgeagent_central.optimize.power.site import Storage, Thermal
from edgeagent_central.optimize.power.tree import Tree

from .worlds import seen, site

#: Site, two racks, two servers each.
TREE = Tree.build([-1, 0, 0], [0, 0, 0], [1, 1, 2, 2])
HERE = replace(site(TREE, np.array([1000.0, 600.0, 600.0])), storage={0: Storage(200.0, 3.6e6, 1e6)})


def plan(*cap_w: float, charge_w: float = 0.0) -> Plan:
    """Caps, and the battery at the root."""
    caps = np.array(cap_w, float)
    limit_w = HERE.tree.limit_w
    return Plan(0.0, caps, np.ones(4), {0: charge_w}, limit_w, caps, np.zeros(3), "optimal")


@pytest.mark.parametrize(
    ("wanted", "answers", "found"),
    [
        pytest.param(plan(250, 250, 250, 250), "1111", "", id="just so"),
        pytest.param(plan(251, 250, 250, 250), "1111", "domain-0: above its limit by 1 W", id="a watt more"),
        pytest.param(plan(400, 201, 150, 150), "1111", "domain-1: above its limit by 1 W", id="a rack"),
        pytest.param(
            plan(99, 250, 250, 250), "1111", "leaf-0: cap below the lowest it can be held to by 1 W", id="low"
        ),
        pytest.param(plan(100, 401, 150, 150), "1111", "leaf-1: cap above the highest by 1 W", id="high"),
        pytest.param(plan(np.nan, 1, 1, 1), "1111", "leaf-0: its cap is no number", id="no number"),
        pytest.param(
            plan(250, 250, 250, 250), "0111", "domain-0: above its limit by 150 W", id="silent: its most"
        ),
        pytest.param(plan(400, 100, 250, 250), "0111", "", id="room is kept for who is silent"),
        pytest.param(plan(300, 300, 300, 300, charge_w=-200), "1111", "", id="the battery gives the rest"),
        pytest.param(
            plan(300, 300, 300, 300, charge_w=-201), "1111", "battery: faster than it can by 1 W", id="fast"
        ),
        pytest.param(
            plan(250, 250, 250, 250, charge_w=100),
            "1111",
            "domain-0: above its limit by 100 W",
            id="charging",
        ),
    ],
)
def test_verdicts(wanted: Plan, answers: str, found: str) -> None:
    heard = np.array([int(each) for each in answers], bool)
    moment = replace(seen(HERE, np.full(4, 200.0), answers=heard), stored_j={0: 3.0e6})
    breaches = Checker(HERE).check(moment, wanted, HERE.tree.limit_w)
    assert (not breaches) if not found else found in str(breaches[0])


def test_an_empty_battery_gives_nothing() -> None:
    moment = replace(seen(HERE, np.full(4, 200.0)), stored_j={0: 1e6})
    breaches = Checker(HERE).check(moment, plan(300, 300, 300, 300, charge_w=-200), HERE.tree.limit_w)
    assert "below its reserve" in str(breaches[0])


def test_what_cannot_be_held_lower_is_let_pass() -> None:
    """A limit below the floors: as low as safely possible."""
    moment = seen(HERE, np.full(4, 200.0))
    limit_w = np.array([300.0, 600.0, 600.0])
    assert not Checker(HERE).check(moment, plan(100, 100, 100, 100), limit_w)
    assert Checker(HERE).check(moment, plan(101, 100, 100, 100), limit_w)


def test_it_adds_up_as_the_tree_does() -> None:
    leaf_w = np.array([1.0, 2.0, 3.0, 4.0])
    assert carried_w(HERE, leaf_w, {}) == pytest.approx(TREE.load_w(leaf_w))
    assert carried_w(HERE, leaf_w, {1: 5.0}) == pytest.approx([15, 8, 7])


def test_a_hot_breaker_is_not_overloaded() -> None:
    """At its rating it cools; above that it has so many seconds."""
    here = replace(HERE, breakers={1: Thermal(600.0, 60.0, 1.5625)})
    here = replace(here, tree=replace(TREE, limit_w=np.array([1000.0, 800.0, 600.0])))
    moment = seen(here, np.full(4, 200.0))
    wanted = plan(380, 380, 120, 120)
    for heat, found in ((0.5, ""), (1.54, "domain-1: breaker: too hot within 10 s")):
        breaches = Checker(here).check(replace(moment, heat=np.array([heat])), wanted, here.tree.limit_w)
        assert (not breaches) if not found else found in str(breaches[0])


@pytest.mark.parametrize("clock", [np.nan, 2.0, -0.1])
def test_a_clock_is_a_share(clock: float) -> None:
    wanted = plan(250, 250, 250, 250)._replace(clock=np.array([1.0, clock, 1.0, 1.0]))
    [breach] = Checker(HERE).check(seen(HERE, np.full(4, 200.0)), wanted, HERE.tree.limit_w)
    assert "a clock that is no share of the highest" in str(breach)
