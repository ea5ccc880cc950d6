"""Power allocation: what a step takes as a site grows, and what solvers take that do not know the tree."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.sparse import csc_matrix, identity, vstack

from edgeagent_central.optimize.power.backtest.bound import Truth, by_highs, carried
from edgeagent_central.optimize.power.backtest.feed import feed, read_requests
from edgeagent_central.optimize.power.backtest.layout import site
from edgeagent_central.optimize.power.backtest.plant import Plant
from edgeagent_central.optimize.power.backtest.world import World
from edgeagent_central.optimize.power.backtest.zeus import read_jobs
from edgeagent_central.optimize.power.fill import Curves, fill
from edgeagent_central.optimize.power.optimizer import PowerOptimizer
from edgeagent_central.optimize.power.site import Site
from edgeagent_central.optimize.power.tree import Array, Tree
from edgeagent_hil.load.report import quantile
from edgeagent_sdk.errors import EdgeError
from tests.bench.table import Bench, Figure, at_most, row

_DATA = Path(__file__).parents[4] / "shared" / "data"
_BUDGET, _SILENT, _SEED = 0.8, 0.05, 1

#: Diversity is learned in the first minute; what comes after it is dearer, and counts.
_LEARNING_S = 65

#: Seconds that count, by how many servers, and what p50 and p99 of a step must not pass, in ms.
_SIZES = {1_000: (120, None, 30.0), 10_000: (40, 100.0, 250.0), 100_000: (8, None, None)}

#: The peers do a single moment of this many servers.
_PEERS_SERVERS = 10_000


class _Scene(NamedTuple):
    world: World
    site: Site


@row
def power(bench: Bench) -> Iterator[Figure]:
    """Steps of the power optimizer on the site of its backtest, and a moment of it against plain solvers."""
    try:
        load = _loader()
    except EdgeError:
        return  # the traces are not here
    for servers, (seconds, p50_ms, p99_ms) in _SIZES.items():
        took_ms = _steps_ms(load(servers), seconds)
        note = f"CPU time, {seconds} steps, {_SILENT:.0%} silent, budget {_BUDGET:.0%}"
        for level, most_ms in ((0.5, p50_ms), (0.99, p99_ms)):
            yield Figure(
                f"a whole step, {servers:,} servers, p{100 * level:.0f}",
                quantile(took_ms, level),
                "ms",
                at_most(most_ms) if most_ms else None,
                note=note,
            )
    yield _moment(load(_PEERS_SERVERS))


def _loader() -> Callable[[int], _Scene]:
    requests, jobs = feed(read_requests(_DATA)), read_jobs(_DATA)

    def load(servers: int) -> _Scene:
        world = World(servers, requests, jobs, _SEED)
        tree = site(world).tree
        peak_w = np.max([tree.load_w(world.demand_w(second)) for second in range(0, 120, 10)], axis=0)
        return _Scene(world, site(world, peak_w, _BUDGET))

    return load


def _steps_ms(scene: _Scene, seconds: int) -> list[float]:
    """CPU time of each step after the learning, so that others on the machine do not count."""
    optimizer, plant = PowerOptimizer(scene.site), Plant(scene.site, _SILENT, _SEED, phased=True)
    took_ms = []
    for second in range(_LEARNING_S + seconds):
        plant.draw(float(second), scene.world.demand_w(second))
        seen = plant.snapshot(float(second), scene.site.tree.limit_w)
        begin_s = time.process_time()
        optimizer.observe(seen)
        plan = optimizer.decide()
        took_ms.append(1e3 * (time.process_time() - begin_s))
        plant.obey(float(second), seen, plan)
    return took_ms[_LEARNING_S:]


def _moment(scene: _Scene) -> Figure:
    """The best use of power of one moment, all demand known; every peer finds the same work."""
    tree, limit_w = scene.site.tree, scene.site.tree.limit_w
    curves = Truth(scene.world).curves(scene.world.demand_w(60))
    work = {
        "HiGHS": _timed(lambda: by_highs(tree, curves, limit_w)),
        "Clarabel": _timed(lambda: _by_clarabel(tree, curves, limit_w)),
    }
    ours, took_ms = _timed(lambda: _work(curves, fill(tree, curves, limit_w).power_w))
    worst = max(abs(theirs / ours - 1) for theirs, _ in work.values())
    return Figure(
        f"one moment of {_PEERS_SERVERS:,} servers, exact",
        took_ms,
        "ms",
        peers={name: peer_ms for name, (_, peer_ms) in work.items()},
        note=f"CPU time; the work that they find differs by {worst:.0e}",
    )


def _by_clarabel(tree: Tree, curves: Curves, limit_w: Array) -> float:
    """The linear program of `by_highs`, by an interior point method."""
    clarabel = import_module("clarabel")  # has no types
    feeds, room_w = carried(tree, curves, limit_w)
    width_w = curves.width_w.ravel()
    one = identity(len(width_w))
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    found = clarabel.DefaultSolver(
        csc_matrix((len(width_w), len(width_w))),
        -curves.worth.ravel(),
        csc_matrix(vstack((feeds, one, -one))),
        np.concatenate((room_w, width_w, np.zeros_like(width_w))),
        [clarabel.NonnegativeConeT(len(room_w) + 2 * len(width_w))],
        settings,
    ).solve()
    return -float(found.obj_val)


def _timed(solve: Callable[[], float]) -> tuple[float, float]:
    begin_s = time.process_time()
    found = solve()
    return found, 1e3 * (time.process_time() - begin_s)


def _work(curves: Curves, power_w: Array) -> float:
    """What is done with so much power, by each leaf's best segments first."""
    begins_w = np.cumsum(curves.width_w, axis=1) - curves.width_w
    used_w = np.clip((power_w - curves.floor_w)[:, None] - begins_w, 0.0, curves.width_w)
    return float((used_w * curves.worth).sum())
