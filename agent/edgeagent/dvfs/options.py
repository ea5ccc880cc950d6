"""What each operating point of a domain would cost, and what it would draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from edgeagent.dvfs.domain import DomainModel
from edgeagent.dvfs.meters import Curves
from edgeagent.dvfs.tracker import Tracker


class Options(NamedTuple):
    """By operating point, watts of the whole machine.

    Args:
        cost_w: until the next decision, less what the work done meanwhile is worth.
        mean_w: what is expected.
        most_w: with all the work that may come.
    """

    cost_w: list[float]
    mean_w: list[float]
    most_w: list[float]


class Work(NamedTuple):
    """A session's work on a domain.

    Args:
        unit_s: what a typical unit takes at each operating point.
        rate_per_s: units that come.
        waiting: units that are there.
    """

    unit_s: list[float]
    rate_per_s: float
    waiting: float


def work(tracker: Tracker, d: int, domains: Sequence[DomainModel], us: Sequence[float], now_s: float) -> Work:
    """What a session does on domain `d`, the clocks of its other domains as they are."""
    index = tracker.domains.index(d)
    cycles_s = tracker.pace.theta[index]
    besides_s = tracker.pace.theta[-1]
    for other, other_s in zip(tracker.domains, tracker.pace.theta, strict=False):
        if other != d:
            besides_s += other_s / max(us[other], 1e-3)
    unit_s = [max(1e-9, cycles_s * x + besides_s) for x in domains[d].slowness]
    return Work(unit_s, tracker.demand.rate_per_s(now_s), tracker.work)


def options(domain: DomainModel, curves: Curves, works: Sequence[Work], tick_s: float) -> Options:
    """The options of one domain.

    Stretching is held against racing to idle by what a unit's energy is worth: what it costs, above idling,
    at the point where that is least. Points that get more done until the next decision are credited with it.
    """
    per, weight = domain.busy_for_work, curves.weight
    least_idle_w = min(curves.idle_w)
    worths_j = [
        min(
            (idle_w + per * busy_w - least_idle_w) * unit_s
            for idle_w, busy_w, unit_s in zip(curves.idle_w, curves.busy_w, w.unit_s, strict=False)
        )
        for w in works
    ]
    cost_w, mean_w, most_w = [], [], []
    for k, (idle_w, busy_w) in enumerate(zip(curves.idle_w, curves.busy_w, strict=True)):
        now = mean = most = min(1.0, domain.besides_hz / domain.opps_hz[k])
        worth_w = 0.0
        for w, worth_j in zip(works, worths_j, strict=True):
            unit_s = w.unit_s[k]
            coming = w.rate_per_s * tick_s
            share = min(1.0, max(w.waiting, coming) * unit_s / tick_s)
            steady = min(1.0, w.rate_per_s * unit_s)
            now += per * share
            mean += per * steady
            most += per * (steady if coming >= 1.0 else 1.0)
            worth_w += worth_j * share / unit_s
        cost_w.append(weight * (idle_w + busy_w * min(1.0, now) - worth_w))
        mean_w.append(weight * (idle_w + busy_w * min(1.0, max(now, mean))))
        most_w.append(weight * (idle_w + busy_w * min(1.0, most)))
    return Options(cost_w, mean_w, most_w)
