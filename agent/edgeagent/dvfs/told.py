"""What a decision tells of itself, in numbers."""

from __future__ import annotations

from collections.abc import Sequence

from edgeagent.dvfs.domain import DomainModel
from edgeagent.dvfs.options import Options
from edgeagent.dvfs.search import Limit
from edgeagent.dvfs.tracker import Tracker


def sessions(
    trackers: Sequence[Tracker], domains: Sequence[DomainModel], choice: Sequence[int]
) -> dict[str, float]:
    """What a unit takes at its quantile, and what its deadline leaves of that, s."""
    numbers = {}
    slowness = [domain.slowness[k] for domain, k in zip(domains, choice, strict=True)]
    for tracker in trackers:
        if tracker.pace.known:
            latency_s = tracker.pace.tail() * tracker.time_s(slowness)
            numbers[f"{tracker.name}.latency_s"] = latency_s
            numbers[f"{tracker.name}.slack_s"] = tracker.deadline_s - latency_s
    return numbers


def energy(
    trackers: Sequence[Tracker],
    choice: tuple[int, ...],
    laid_out: Sequence[Options],
    power_w: float,
    held: Sequence[Limit],
    now_s: float,
) -> dict[str, float]:
    """Energy for each unit of all sessions, J: of the choice, and of the next best that keeps all limits."""
    rate_per_s = sum(tracker.demand.rate_per_s(now_s) for tracker in trackers)
    if rate_per_s <= 0:
        return {}
    numbers = {"unit_j": power_w / rate_per_s}
    worked = {d for tracker in trackers for d in tracker.domains}
    others = sorted(
        (laid_out[d].cost_w[k] - laid_out[d].cost_w[choice[d]], d, k)
        for d in worked
        for k in range(len(laid_out[d].cost_w))
        if k != choice[d]
    )
    for _, d, k in others:
        other = (*choice[:d], k, *choice[d + 1 :])
        if all(limit.holds(other) for limit in held):
            more_w = laid_out[d].mean_w[k] - laid_out[d].mean_w[choice[d]]
            numbers["next_unit_j"] = (power_w + more_w) / rate_per_s
            break
    return numbers
