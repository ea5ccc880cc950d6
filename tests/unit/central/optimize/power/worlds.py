"""Trees, curves and sites to try the optimizer on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from edgeagent_central.optimize.power.fill import Curves
from edgeagent_central.optimize.power.plan import Snapshot
from edgeagent_central.optimize.power.profiles import shipped
from edgeagent_central.optimize.power.site import Site
from edgeagent_central.optimize.power.tree import Array, Flags, Tree

SEGMENTS = 3


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """Up to eight domains in the order of a walk, each with up to three leaves of its own."""
    parent = [-1]
    for domain in range(1, draw(st.integers(1, 8))):
        path, at = [], domain - 1
        while at >= 0:
            path.append(at)
            at = parent[at]
        parent.append(draw(st.sampled_from(path)))
    counts = [draw(st.integers(0, 3)) for _ in parent]
    counts[-1] = max(counts[-1], 1)
    of_leaf = [domain for domain, count in enumerate(counts) for _ in range(count)]
    return Tree.build(parent, [1e9] * len(parent), of_leaf)


@st.composite
def problems(draw: st.DrawFn) -> tuple[Tree, Curves, Array]:
    """A tree, what power is worth to its leaves, and limits that carry at least the floors."""
    tree = draw(trees())
    leaves = len(tree.domain)
    numbers = st.integers(0, 20)
    floor_w = np.array(draw(st.lists(numbers, min_size=leaves, max_size=leaves)), float)
    cells = leaves * SEGMENTS
    width_w = np.array(draw(st.lists(numbers, min_size=cells, max_size=cells)), float).reshape(leaves, -1)
    # Few different worths, so that many are equal.
    worth = np.array(draw(st.lists(st.integers(0, 4), min_size=cells, max_size=cells)), float)
    worth = -np.sort(-worth.reshape(leaves, -1), axis=1)
    room_w = np.array(
        draw(st.lists(st.integers(0, 60), min_size=len(tree.parent), max_size=len(tree.parent)))
    )
    return tree, Curves(floor_w, width_w, worth), tree.load_w(floor_w) + room_w


def site(tree: Tree, limit_w: Array, seed: int = 0, *, diverse: bool = False) -> Site:
    """Servers of 100 to 400 W with work of all classes."""
    rng = np.random.default_rng(seed)
    leaves, domains = len(tree.domain), len(tree.parent)
    profiles = tuple(shipped().values())
    return Site(
        name="test",
        tree=replace(tree, limit_w=limit_w),
        domains=tuple(f"domain-{place}" for place in range(domains)),
        leaves=tuple(f"leaf-{place}" for place in range(leaves)),
        ramp_up_w_per_s=np.full(domains, np.inf),
        ramp_down_w_per_s=np.full(domains, np.inf),
        breakers={},
        storage={},
        diverse=np.full(domains, diverse),
        idle_w=np.full(leaves, 80.0),
        min_w=np.full(leaves, 100.0),
        max_w=np.full(leaves, 400.0),
        fallback_w=np.full(leaves, 150.0),
        clocked=np.zeros(leaves, bool),
        weight=rng.choice([1.0, 2.0, 4.0], leaves),
        profiles=profiles,
        profile=rng.integers(0, len(profiles), leaves),
    )


def seen(here: Site, power_w: Array, time_s: float = 0.0, answers: Flags | None = None) -> Snapshot:
    """A second of `here`, all held to their highest."""
    leaves = len(here.leaves)
    heard = np.ones(leaves, bool) if answers is None else answers.astype(bool)
    return Snapshot(
        time_s,
        power_w,
        heard,
        heard,
        here.max_w.copy(),
        here.max_w.copy(),
        np.full(leaves, np.nan),
        here.tree.limit_w.copy(),
    )
