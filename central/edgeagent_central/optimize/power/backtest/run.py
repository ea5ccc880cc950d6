"""One contestant on one site through the recorded time: what was done, and what was broken."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

import numpy as np

from edgeagent_central.optimize.power.backtest.bound import Truth
from edgeagent_central.optimize.power.backtest.plant import Plant
from edgeagent_central.optimize.power.backtest.world import World
from edgeagent_central.optimize.power.breakers import Bimetals
from edgeagent_central.optimize.power.checker import Checker
from edgeagent_central.optimize.power.plan import Plan, Snapshot
from edgeagent_central.optimize.power.site import Site


class Contestant(Protocol):
    """Whoever decides about caps."""

    def observe(self, seen: Snapshot) -> None:
        """Take in a second."""
        ...

    def decide(self) -> Plan:
        """The caps from now on."""
        ...


class Score(NamedTuple):
    """How it went.

    Args:
        work: done, weighted, as a share of what the bound does.
        satisfied: work done as a share of what was asked for; `urgent` of the highest priority alone.
        broken: domain-seconds above a limit, the worst of them, and seconds of breakers warmed beyond their
            rating.
        rejected: plans that the independent check would not have let pass.
        churn: changed caps for each server and minute.
        solve_s: p50 and p99 of a whole step.
    """

    name: str
    work: float
    satisfied: float
    urgent: float
    broken: int
    worst_kw: float
    warm_s: int
    rejected: int
    churn: float
    energy_mwh: float
    solve_s: tuple[float, float]


def bound(world: World, site: Site, seconds: Sequence[int]) -> float:
    """The most work, weighted, that these seconds allow."""
    truth = Truth(world)
    return sum(
        float(truth.best(site.tree, world.demand_w(second), site.tree.limit_w).sum()) for second in seconds
    )


def run(
    name: str,
    make: Callable[[Site], Contestant],
    world: World,
    site: Site,
    seconds: Sequence[int],
    best: float,
    *,
    silent: float,
    seed: int,
    warmup_s: int = 0,
    phased: bool = False,
) -> Score:
    """Go through `seconds`; the first `warmup_s` do not count."""
    truth, plant, contestant = Truth(world), Plant(site, silent, seed, phased=phased), make(site)
    checker = Checker(site)
    limit_w = site.tree.limit_w
    bimetals = Bimetals(site.breakers)
    heat = np.full(len(bimetals.domains), 0.5)
    done = wanted = urgent = urged = energy_j = worst_w = 0.0
    broken = warm_s = rejected = changed = 0
    took_s: list[float] = []
    top = world.weight == world.weight.max()
    for step, second in enumerate(seconds):
        now_s, demand_w = float(step), world.demand_w(second)
        plant.draw(now_s, demand_w)
        load_w = site.tree.load_w(plant.power_w)
        heat = bimetals.warmed(heat, load_w, 1.0)
        if step >= warmup_s:
            work = truth.done(demand_w, plant.power_w)
            asked = truth.wanted(demand_w)
            done, wanted = done + work.sum(), wanted + asked.sum()
            urgent, urged = urgent + work[top].sum(), urged + asked[top].sum()
            energy_j += load_w[0]
            over_w = load_w - limit_w * (1 + 1e-6)
            broken += int(np.count_nonzero(over_w > 0))
            worst_w = max(worst_w, float(over_w.max()))
            warm_s += int(np.count_nonzero(heat > 1.0 + 1e-3))
            changed += plant.changed
        seen = replace(plant.snapshot(now_s, limit_w), heat=heat)
        checker.observe(seen)
        begin = time.perf_counter()
        contestant.observe(seen)
        plan = contestant.decide()
        took_s.append(time.perf_counter() - begin)
        rejected += bool(checker.check(seen, plan, limit_w)) and step >= warmup_s
        plant.obey(now_s, seen, plan)
    counted = len(seconds) - warmup_s
    return Score(
        name=name,
        work=float(done / best),
        satisfied=float(done / wanted),
        urgent=float(urgent / urged),
        broken=broken,
        worst_kw=max(float(worst_w), 0.0) / 1e3,
        warm_s=warm_s,
        rejected=rejected,
        churn=changed / len(site.leaves) / counted * 60.0,
        energy_mwh=float(energy_j / 3.6e9),
        solve_s=(float(np.quantile(took_s[warmup_s:], 0.5)), float(np.quantile(took_s[warmup_s:], 0.99))),
    )
