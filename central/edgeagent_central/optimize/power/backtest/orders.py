"""An order to draw less for hours, in virtual time: was it reached, and was any second above it?

It comes unannounced. Order and baseline are the live service's own; what is drawn is the plant's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count, islice
from pathlib import Path
from typing import Any, Final

import numpy as np

from edgeagent_central.optimize.power.backtest.bound import Truth
from edgeagent_central.optimize.power.backtest.feed import feed, read_requests
from edgeagent_central.optimize.power.backtest.layout import site
from edgeagent_central.optimize.power.backtest.plant import Plant
from edgeagent_central.optimize.power.backtest.world import World
from edgeagent_central.optimize.power.backtest.zeus import read_jobs
from edgeagent_central.optimize.power.breakers import Bimetals
from edgeagent_central.optimize.power.event import Before
from edgeagent_central.optimize.power.optimizer import PowerOptimizer
from edgeagent_central.optimize.power.orders import Order
from edgeagent_central.optimize.power.tree import Array

#: The contract goes by the peak of so long.
_PEAK_S: Final = 3600
_PEAK_EVERY_S: Final = 5

AROUND_S: Final = 600

#: What the order asks for is reached within this; from then on each second counts.
_REACH_S: Final = 10


@dataclass(frozen=True)
class Ordered:
    """What is tried.

    Args:
        by: how much less than before, as a share.
        for_s: how long.
        budget: the contract, as a share of the most that the site would draw without it.
        silent: share of servers that do not answer.
        around_s: how long is learned, and looked at before the order and after it.
        diversity: whether switchboards and site are reckoned with diversity; else by the sum of the caps.
    """

    data: Path
    servers: int
    by: float
    for_s: int
    budget: float
    silent: float
    seed: int
    around_s: int = AROUND_S
    diversity: bool = True


@dataclass
class _Phase:
    """Part of the time, and what was seen in it: of the site, and of the domains below it."""

    name: str
    reach_s: int = 0
    total_w: list[float] = field(default_factory=list)
    over_w: list[float] = field(default_factory=list)
    broken: int = 0
    done: Array = field(default_factory=lambda: np.zeros(2))
    wanted: Array = field(default_factory=lambda: np.zeros(2))

    def row(self, limit_w: float) -> dict[str, Any]:
        """For the table."""
        within = [second for second, w in enumerate(self.over_w) if w <= 0]
        above_w = [w for w in self.over_w[self.reach_s :] if w > 0]
        satisfied, urgent = (100.0 * self.done / self.wanted).tolist()
        return {
            "phase": self.name,
            "seconds": len(self.total_w),
            "limit_kw": limit_w / 1e3,
            "reached_s": within[0] if within else None,
            "mean_kw": float(np.mean(self.total_w)) / 1e3,
            "highest_kw": max(self.total_w[self.reach_s :]) / 1e3,
            "seconds_above": len(above_w),
            "worst_above_w": max(above_w, default=0.0),
            "violations_below": self.broken,
            "satisfied_%": satisfied,
            "top_priority_%": urgent,
        }


def ordered(case: Ordered) -> Iterator[dict[str, Any]]:
    """A row for what is before the order, under it, and after it."""
    world = World(case.servers, feed(read_requests(case.data)), read_jobs(case.data), case.seed)
    here = site(world, _peak_w(world), case.budget)
    here = replace(here, diverse=here.diverse & case.diversity)
    plant, optimizer = Plant(here, case.silent, case.seed, phased=True), PowerOptimizer(here)
    truth, bimetals, before = Truth(world), Bimetals(here.breakers), Before()
    heat = np.full(len(bimetals.domains), 0.5)
    top = world.weight == world.weight.max()
    order = Order(id="backtest", from_s=2.0 * case.around_s, for_s=float(case.for_s), by=case.by)
    limit_w = here.tree.limit_w.copy()
    phases = [_Phase("learning"), _Phase("before"), _Phase("order", _REACH_S), _Phase("after")]
    lengths_s, clock = (case.around_s, case.around_s, case.for_s, case.around_s), count()
    for phase, lasts_s in zip(phases, lengths_s, strict=True):
        for second in islice(clock, lasts_s):
            now_s, demand_w = float(second), world.demand_w(second)
            plant.draw(now_s, demand_w)
            load_w = here.tree.load_w(plant.power_w)
            total_w, heat = float(load_w[0]), bimetals.warmed(heat, load_w, 1.0)
            if order.phase(now_s) == "coming":
                before.add(now_s, total_w)
            elif order.baseline_w is None:
                order.baseline_w = before.mean_w()
            ordered_w = order.limit_w(now_s, order.baseline_w or 0.0)
            limit_w[0] = min(float(here.tree.limit_w[0]), ordered_w)
            work, asked = truth.done(demand_w, plant.power_w), truth.wanted(demand_w)
            phase.total_w.append(total_w)
            phase.over_w.append(total_w - float(limit_w[0]) * (1 + 1e-6))
            phase.broken += int(np.count_nonzero(load_w[1:] > here.tree.limit_w[1:] * (1 + 1e-6)))
            phase.done += work.sum(), work[top].sum()
            phase.wanted += asked.sum(), asked[top].sum()
            seen = replace(plant.snapshot(now_s, limit_w.copy()), heat=heat)
            optimizer.observe(seen)
            plant.obey(now_s, seen, optimizer.decide())
        if phase.name != "learning":
            yield phase.row(float(limit_w[0]))


def _peak_w(world: World) -> Array:
    """The most that each domain would carry if nothing held it; shape (d,)."""
    tree = site(world).tree
    peak_w: Array = np.max(
        [tree.load_w(world.demand_w(second)) for second in range(0, _PEAK_S, _PEAK_EVERY_S)], axis=0
    )
    return peak_w
