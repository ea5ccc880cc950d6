"""What each operating point of a domain would cost, and what it would draw."""

from __future__ import annotations

from collections.abc import Sequence
from operator import mul
from typing import NamedTuple

from edgeagent.dvfs.domain import DomainModel
from edgeagent.dvfs.meters import Curves
from edgeagent.dvfs.tracker import Tracker

#: What was never measured at an operating point may be so much more than expected.
_UNSEEN = 1.1


class Options(NamedTuple):
    """By operating point, watts of the whole machine.

    Args:
        cost_w: until the next decision, less what the work done meanwhile is worth.
        mean_w: what is expected.
        most_w: with all the work that may come.
        weight: watts of the machine for one that the domain's own meter shows.
    """

    cost_w: list[float]
    mean_w: list[float]
    most_w: list[float]
    weight: float = 1.0


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
    idle_w, busy_w = curves.idle_w, curves.busy_w
    besides = [_share(domain.besides_hz / hz) for hz in domain.opps_hz]
    now, mean, most = besides[:], besides[:], besides[:]
    worth_w = [0.0] * len(besides)
    least_idle_w = min(idle_w)
    for w in works:
        above_w = [idle + per * busy - least_idle_w for idle, busy in zip(idle_w, busy_w, strict=True)]
        worth_j = min(map(mul, above_w, w.unit_s))
        coming = w.rate_per_s * tick_s
        per_s = (w.waiting if w.waiting > coming else coming) / tick_s
        for k, unit_s in enumerate(w.unit_s):
            share, steady = _share(per_s * unit_s), _share(w.rate_per_s * unit_s)
            expected = share if share > steady else steady
            now[k] += per * share
            mean[k] += per * steady
            most[k] += per * (expected if coming >= 1.0 else 1.0)
            worth_w[k] += worth_j * share / unit_s
    drawn_w = [
        [weight * (idle + busy * _share(b)) for idle, busy, b in zip(idle_w, busy_w, column, strict=True)]
        for column in (now, mean, most)
    ]
    sure = [1.0 if seen else _UNSEEN for seen in curves.seen]
    cost_w = [w - weight * worth for w, worth in zip(drawn_w[0], worth_w, strict=True)]
    return Options(cost_w, drawn_w[1], list(map(mul, drawn_w[2], sure)), weight)


def _share(value: float) -> float:
    return value if value < 1.0 else 1.0
