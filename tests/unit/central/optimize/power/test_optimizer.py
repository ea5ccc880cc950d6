"""The whole step: always a plan that passes the check, whatever the site and what is seen of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeagent_central.optimize.power.checker import Checker
from edgeagent_central.optimize.power.optimizer import PowerOptimizer
from edgeagent_central.optimize.power.phases import rises
from edgeagent_central.optimize.power.plan import Plan
from edgeagent_central.optimize.power.site import Site
from edgeagent_central.optimize.power.tree import Array, Tree

from .worlds import seen, site, trees


def limited(tree: Tree, share: float, seed: int) -> Site:
    """A site whose domains carry about `share` of what their servers could draw."""
    rng = np.random.default_rng(seed)
    most_w = tree.load_w(np.full(len(tree.domain), 400.0))
    return site(tree, most_w * share * rng.uniform(0.8, 1.2, len(most_w)) + 1.0, seed)


@settings(max_examples=30)
@given(trees(), st.floats(0.05, 1.2), st.integers(0, 99), st.floats(0, 0.4))
def test_never_infeasible(tree: Tree, share: float, seed: int, silent: float) -> None:
    """Random sites, demands, silences and limits that change: every plan passes an own judge."""
    here, rng = limited(tree, share, seed), np.random.default_rng(seed)
    optimizer, cap_w, leaves = PowerOptimizer(here), here.max_w.copy(), len(here.leaves)
    for second in range(6):
        heard = rng.random(leaves) >= silent
        power_w = np.minimum(rng.uniform(80.0, 400.0, leaves), cap_w)
        moment = replace(
            seen(here, power_w, float(second), heard),
            cap_w=cap_w,
            limit_w=here.tree.limit_w * rng.uniform(0.5, 1.0),
        )
        optimizer.observe(moment)
        plan = optimizer.decide()
        assert Checker(here).check(moment, plan, moment.limit_w) == []
        cap_w = np.where(heard, plan.cap_w, cap_w)


def settled(here: Site, power_w: Array, seconds: int = 3) -> Plan:
    """The plan after some seconds of the same."""
    optimizer = PowerOptimizer(here)
    for second in range(seconds):
        optimizer.observe(seen(here, power_w, float(second)))
        plan = optimizer.decide()
    return plan


@settings(max_examples=30)
@given(trees(), st.floats(0.3, 0.9), st.integers(0, 99))
def test_equal_inputs_equal_shares(tree: Tree, share: float, seed: int) -> None:
    """Twins on one domain get the same."""
    here = limited(tree, share, seed)
    here = replace(here, weight=np.ones_like(here.weight), profile=np.zeros_like(here.profile))
    plan = settled(here, np.full(len(here.leaves), 300.0))
    for domain in set(tree.domain.tolist()):
        assert np.ptp(plan.cap_w[tree.domain == domain]) < 1e-6


def test_nobody_who_is_silent_is_given_anything() -> None:
    tree = Tree.build([-1], [0], [0, 0, 0])
    here = site(tree, np.array([700.0]))
    heard = np.array([False, True, True])
    optimizer = PowerOptimizer(here)
    optimizer.observe(
        replace(seen(here, np.full(3, 300.0), answers=heard), bound_w=np.array([400.0, 400, 400]))
    )
    plan = optimizer.decide()
    assert plan.cap_w[0] == 400.0 and plan.cap_w[1:].sum() <= 300.0 + 1e-6


def test_what_cannot_be_kept_is_kept_as_well_as_can_be() -> None:
    """An order below the sum of the floors."""
    tree = Tree.build([-1], [0], [0, 0])
    here = site(tree, np.array([1000.0]))
    optimizer = PowerOptimizer(here)
    optimizer.observe(replace(seen(here, np.full(2, 300.0)), limit_w=np.array([150.0])))
    assert optimizer.decide().cap_w == pytest.approx([100, 100])


def test_a_stopgap_keeps_the_ramp() -> None:
    tree = Tree.build([-1], [0], [0] * 8)
    here = replace(site(tree, np.array([2400.0])), ramp_up_w_per_s=np.array([100.0]))
    plans = {plan.how: plan for plan in PowerOptimizer(here).stopgaps(seen(here, np.full(8, 120.0)))}
    assert plans["proportional"].cap_w.sum() == pytest.approx(8 * 120.0 + 100.0)


def test_the_binding_limit_is_named() -> None:
    tree = Tree.build([-1, 0, 0], [0, 0, 0], [1, 1, 2, 2])
    plan = settled(site(tree, np.array([5000.0, 400.0, 5000.0])), np.full(4, 390.0))
    assert plan.why.startswith("binds: domain-1 (") and plan.price[1] > 0 == plan.price[0]


@given(trees(), st.integers(0, 99))
def test_caps_rise_only_into_room(tree: Tree, seed: int) -> None:
    """Half of the nodes have not confirmed their falls: the others' rises wait for that room."""
    here, rng = limited(tree, 0.6, seed), np.random.default_rng(seed)
    leaves = len(here.leaves)
    plan = settled(here, rng.uniform(100.0, 400.0, leaves))
    before_w = rng.uniform(100.0, 400.0, leaves)
    # What held before kept the limits.
    worst = (tree.load_w(before_w) / here.tree.limit_w).max()
    before_w = before_w / max(worst, 1.0)
    confirmed = rng.random(leaves) < 0.5
    now_w = np.where(confirmed, np.minimum(before_w, plan.cap_w), before_w)
    after_w = rises(here, plan, now_w, confirmed)
    assert np.all(tree.load_w(after_w) <= here.tree.limit_w + 1e-6)
    assert np.all(after_w >= now_w - 1e-9)
