"""What must be kept, as sums over the domains: deadlines, load, temperatures, the cap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import Final

from edgeagent.dvfs.domain import DomainModel
from edgeagent.dvfs.heat import Heat, Reach
from edgeagent.dvfs.options import Options
from edgeagent.dvfs.search import Limit
from edgeagent.dvfs.tracker import Tracker

#: Temperatures are held below their limits after so long, s, whatever else gives way.
NEAR_S = (0.15, 1.0, 3.0)

#: And after so long unless a deadline would be missed for it: being slow later is no worse than being so now.
FAR_S = 30.0

#: A domain shall be busy besides its sessions for no more than this share (as schedutil: 1 / 1.25).
_BUSY_MOST = 0.8

#: The name of a cap that nothing tells of.
BLIND: Final = "power cap without a meter: whether it can be kept is not known"


def deadline(
    tracker: Tracker, domains: Sequence[DomainModel], counts: Sequence[int], tick_s: float, now_s: float
) -> Limit:
    """A session's unit must be done within what its deadline leaves.

    Args:
        counts: operating points that each domain is allowed, from below.
    """
    terms: list[Sequence[float]] = [[] for _ in domains]
    if not tracker.pace.known:  # as fast as can be, until a unit was seen
        for d in tracker.domains:
            terms[d] = [float(counts[d] - 1 - k) if k < counts[d] else 0.0 for k in range(len(domains[d].us))]
        return Limit(f"{tracker.name} has shown no unit yet", terms, 0.0)
    fastest = [domain.slowness[count - 1] for domain, count in zip(domains, counts, strict=True)]
    bound_s = tracker.bound_s(tick_s, tracker.time_s(fastest), now_s)
    *cycles, memory_s = tracker.pace.theta
    for d, cycles_s in zip(tracker.domains, cycles, strict=True):
        terms[d] = [cycles_s * x for x in domains[d].slowness]
    return Limit(f"deadline of {tracker.name}", terms, bound_s - memory_s)


def loads(domains: Sequence[DomainModel], counts: Sequence[int]) -> list[Limit]:
    """What runs besides sessions needs clocks that leave some idle time."""
    limits = []
    for d, domain in enumerate(domains):
        needed_hz = min(domain.needed_hz / _BUSY_MOST, domain.opps_hz[counts[d] - 1])
        if needed_hz > domain.opps_hz[0]:
            limits.append(
                Limit(f"load of {domain.name}", _one(domains, d, [-hz for hz in domain.opps_hz]), -needed_hz)
            )
    return limits


def ceilings(domains: Sequence[DomainModel], counts: Sequence[int]) -> list[Limit]:
    """Clocks that others forbid."""
    return [
        Limit(f"ceiling of {domain.name}", _one(domains, d, domain.opps_hz), domain.opps_hz[counts[d] - 1])
        for d, domain in enumerate(domains)
        if counts[d] < len(domain.opps_hz)
    ]


def temperatures(
    domains: Sequence[DomainModel],
    places: Mapping[str, tuple[Heat, float]],
    options: Sequence[Options],
    rest_w: float,
) -> tuple[list[Limit], list[Limit]]:
    """Every temperature that may come near to its limit: soon, and within the horizon.

    Args:
        places: thermal path and limit, °C, of what belongs to no domain.
        rest_w: what is drawn besides the domains.
    """
    most_w = [max(option.mean_w) for option in options]
    whole_w = rest_w + sum(most_w)
    near: list[Limit] = []
    far: list[Limit] = []
    paths = [(domain.name, domain.heat, domain.limit_c, d) for d, domain in enumerate(domains)]
    paths += [(name, heat, limit_c, -1) for name, (heat, limit_c) in places.items()]
    for name, heat, limit_c, d in paths:
        own_w = most_w[d] / options[d].weight if d >= 0 else 0.0
        if limit_c == inf:
            continue
        if heat.now_c is None:
            near.append(Limit(f"temperature of {name} unknown", _slowest(options), 0.0))
        elif heat.worst_c(own_w, whole_w, FAR_S) > limit_c - heat.margin_k:
            room_c = limit_c - heat.margin_k
            near += [_temperature(name, heat.after(s), room_c, options, rest_w, d) for s in NEAR_S]
            far.append(_temperature(name, heat.after(FAR_S), limit_c, options, rest_w, d))
    return near, far


def _temperature(
    name: str, reach: Reach, room_c: float, options: Sequence[Options], rest_w: float, d: int
) -> Limit:
    terms = [[reach.whole * w for w in option.mean_w] for option in options]
    if d >= 0:
        terms[d] = [(reach.whole + reach.own / options[d].weight) * w for w in options[d].mean_w]
    return Limit(f"temperature of {name}", terms, room_c - reach.still_c - reach.whole * rest_w)


def cap(allowed_w: float, options: Sequence[Options], rest_w: float, metered: bool) -> list[Limit]:
    """The whole machine's power.

    Args:
        allowed_w: until the next decision.
        metered: whether power was ever measured; if not, nothing but the slowest is known to be safe.
    """
    if allowed_w == inf:
        return []
    if not metered:
        return [Limit(BLIND, _slowest(options), 0.0)]
    return [Limit("power cap", [option.most_w for option in options], allowed_w - rest_w)]


def _slowest(options: Sequence[Options]) -> list[list[float]]:
    return [[float(k) for k in range(len(option.mean_w))] for option in options]


def _one(domains: Sequence[DomainModel], d: int, terms: Sequence[float]) -> list[Sequence[float]]:
    return [terms if i == d else [] for i in range(len(domains))]
