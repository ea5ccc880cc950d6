"""All contestants at all budgets, in as many processes as there are cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

from edgeagent_central.optimize.power.backtest.baselines import BASELINES
from edgeagent_central.optimize.power.backtest.biased import Biased
from edgeagent_central.optimize.power.backtest.feed import feed, read_requests
from edgeagent_central.optimize.power.backtest.layout import site
from edgeagent_central.optimize.power.backtest.run import Contestant, Score, bound, run
from edgeagent_central.optimize.power.backtest.world import World
from edgeagent_central.optimize.power.backtest.zeus import read_jobs
from edgeagent_central.optimize.power.optimizer import PowerOptimizer
from edgeagent_central.optimize.power.site import Site
from edgeagent_central.optimize.power.tree import Array

Make = Callable[[Site], Contestant]

OURS: Final = "edgeagent"

#: Everybody who takes part: how it is made, and whether it carries its plans out in two phases.
CONTESTANTS: Final[dict[str, tuple[Make, bool]]] = {
    OURS: (PowerOptimizer, True),
    f"{OURS}, forecasts 30 % too low": (lambda here: PowerOptimizer(here, demand=Biased(here, 0.7)), True),
    f"{OURS}, forecasts 30 % too high": (lambda here: PowerOptimizer(here, demand=Biased(here, 1.3)), True),
    **{name: (make, False) for name, make in BASELINES.items()},
}


@dataclass(frozen=True)
class Case:
    """What is compared.

    Args:
        budget: the contract, as a share of the most that the site would draw without it.
        extra: so many more servers, as a share, under the limits of the others.
        warmup_s: the first seconds, which everybody learns in and which do not count.
    """

    data: Path
    servers: int
    seconds: int
    seed: int
    silent: float
    budget: float
    extra: float = 0.0
    warmup_s: int = 180

    @property
    def span(self) -> range:
        """The seconds, of the trace's hour and beyond."""
        return range(self.warmup_s + self.seconds)


def compare(cases: list[Case], names: list[str]) -> Iterator[tuple[Case, Score]]:
    """The score of everybody in every case, as they come."""
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        jobs = [(case, pool.submit(score, case, name)) for case in cases for name in names]
        for case, job in jobs:
            yield case, job.result()


def score(case: Case, name: str) -> Score:
    """One contestant in one case."""
    world, here = _scene(case)
    make, phased = CONTESTANTS[name]
    return run(
        name,
        make,
        world,
        here,
        case.span,
        _best(case),
        silent=case.silent,
        seed=case.seed,
        warmup_s=case.warmup_s,
        phased=phased,
    )


@cache
def _scene(case: Case) -> tuple[World, Site]:
    requests, jobs = feed(read_requests(case.data)), read_jobs(case.data)
    built = World(case.servers, requests, jobs, case.seed)
    peak_w = _peak_w(built, case)
    if not case.extra:
        return built, site(built, peak_w, case.budget)
    more = World(round(case.servers * (1 + case.extra)), requests, jobs, case.seed)
    # What was built for the fewer is shared by the more, board by board.
    scaled_w = _peak_w(more, case) * (peak_w[0] / _peak_w(more, case)[0])
    return more, site(more, scaled_w, case.budget)


def _peak_w(world: World, case: Case) -> Array:
    """The most that each domain would carry if nothing held it; shape (d,)."""
    tree = site(world).tree
    peak_w: Array = np.max([tree.load_w(world.demand_w(second)) for second in case.span], axis=0)
    return peak_w


@cache
def _best(case: Case) -> float:
    world, here = _scene(case)
    return bound(world, here, case.span[case.warmup_s :])
