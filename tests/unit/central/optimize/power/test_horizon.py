"""The horizon: ramps, batteries, limits to come; and another solver as the oracle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeagent_central.optimize.power.horizon import BLOCKS_S, Battery, Coupled, Horizon
from edgeagent_central.optimize.power.tree import Array

BLOCKS = len(BLOCKS_S)
ENDS_S = np.cumsum(BLOCKS_S)


def domain(**keys: Any) -> Coupled:
    """A site of 1 MW whose load wants 800 kW and takes 500 kW now."""
    usual: dict[str, Any] = {
        "above": -1,
        "ramp_up_w_per_s": np.inf,
        "ramp_down_w_per_s": np.inf,
        "before_w": 500e3,
        "limit_w": np.full(BLOCKS, 1e6),
        "floor_w": np.full(BLOCKS, 200e3),
        "width_w": np.full((BLOCKS, 4), 150e3),
        "worth": np.array([1.0, 0.8, 0.5, 0.2]),
    }
    return Coupled(**usual | keys)


def course(*domains: Coupled) -> Array:
    """What the first takes."""
    found = Horizon(domains).solve()
    assert found is not None
    return found[0].power_w


def test_without_anything_binding_all_is_given() -> None:
    assert course(domain()) == pytest.approx(np.full(BLOCKS, 800e3), rel=1e-3)


def test_a_ramp_is_kept() -> None:
    power_w = course(domain(ramp_up_w_per_s=20e3))
    assert np.all(np.diff(power_w, prepend=500e3) <= 20e3 * np.array(BLOCKS_S) * 1.001)


def test_it_goes_down_in_time_for_what_comes() -> None:
    """A limit of 300 kW after 10 s, and 50 kW/s to get there."""
    limit_w = np.where(ENDS_S > 10, 300e3, 1e6)
    power_w = course(domain(before_w=700e3, limit_w=limit_w, ramp_down_w_per_s=50e3))
    assert np.all(power_w[ENDS_S > 10] <= 300e3 * 1.001)
    assert np.all(np.diff(power_w, prepend=700e3) >= -50e3 * np.array(BLOCKS_S) * 1.001)


def test_a_battery_helps_as_far_as_it_goes() -> None:
    battery = Battery(power_max_w=100e3, capacity_j=10e6, energy_j=1e6)
    [found] = Horizon([domain(limit_w=np.full(BLOCKS, 600e3), battery=battery)]).solve() or []
    assert np.all(found.power_w <= 600e3 * 1.001)
    assert np.all(np.abs(found.charge_w) <= 100e3 * 1.001)
    assert -(found.charge_w * BLOCKS_S).sum() == pytest.approx(1e6 * battery.efficiency, rel=0.02)


def test_a_limit_outweighs_a_ramp() -> None:
    power_w = course(domain(before_w=900e3, limit_w=np.full(BLOCKS, 500e3), ramp_down_w_per_s=1e3))
    assert np.all(power_w <= 500e3 * 1.001)


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_another_solver_finds_the_same(seed: int) -> None:
    """Clarabel, on the same program: the same cost."""
    clarabel = pytest.importorskip("clarabel", reason="the oracle, Clarabel, is not installed")
    sparse = pytest.importorskip("scipy.sparse")
    rng = np.random.default_rng(seed)
    rows = [
        domain(
            above=place - 1 if place < 2 else 0,
            ramp_up_w_per_s=rng.choice([np.inf, 5e3, 50e3]),
            ramp_down_w_per_s=rng.choice([np.inf, 20e3]),
            before_w=rng.uniform(0, 1e6),
            limit_w=np.full(BLOCKS, rng.uniform(3e5, 1e6)),
            width_w=rng.uniform(0, 2e5, (BLOCKS, 4)),
            battery=Battery(5e4, 1e7, 5e6) if place and rng.random() < 0.5 else None,
        )
        for place in range(3)
    ]
    program = Horizon(rows).program
    ours = program.solve()
    assert ours is not None
    square, cost, equal, within, upper = program.matrices()
    count = len(cost)
    bounded = np.flatnonzero(np.isfinite(upper))
    eye = sparse.identity(count, format="csc")
    rows_of = sparse.vstack([equal, within, -eye, eye[bounded]], format="csc")
    right = np.concatenate([program.equal.bound, program.within.bound, np.zeros(count), upper[bounded]])
    cones = [clarabel.ZeroConeT(equal.shape[0]), clarabel.NonnegativeConeT(len(right) - equal.shape[0])]
    options = clarabel.DefaultSettings()
    options.verbose = False
    theirs = clarabel.DefaultSolver(
        sparse.triu(square, format="csc"), cost, rows_of, right, cones, options
    ).solve()
    our_cost = cost @ ours.x + ours.x @ (square @ ours.x) / 2
    assert our_cost == pytest.approx(theirs.obj_val, rel=1e-4, abs=1e-4)
