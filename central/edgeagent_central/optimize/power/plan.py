"""What the optimizer sees, and what it plans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np

from edgeagent_central.optimize.power.site import Site
from edgeagent_central.optimize.power.tree import Array, Flags

#: A draw this close to the cap, as a share of the leaf's range, is held by it.
HELD: Final = 0.01


@dataclass(frozen=True)
class Snapshot:
    """A site at one moment.

    Attributes:
        time_s: on a monotonic clock.
        power_w: shape (n,), the last known draw of each leaf.
        fresh: shape (n,), whether that is recent enough to act upon.
        answers: shape (n,), whether the leaf's node has answered what it was last told.
        cap_w: shape (n,), what each leaf is held to, as far as it has told; `max_w` where by nothing.
        bound_w: shape (n,), the most that a leaf which does not answer may draw.
        clock: shape (n,), share of its highest clock that each leaf runs at; NaN where it does not tell.
        limit_w: shape (d,), what each domain may carry now: its own limit, or less by an order.
        coming_w: limits of later, as (in how many seconds, shape (d,)), soonest first.
        heat: θ of the breakers, in the order of the site's `breakers`; empty: all are cool.
        stored_j: energy in the batteries, by domain.
        charge_w: what they are charged with now (negative: discharged), by domain.
    """

    time_s: float
    power_w: Array
    fresh: Flags
    answers: Flags
    cap_w: Array
    bound_w: Array
    clock: Array
    limit_w: Array
    coming_w: tuple[tuple[float, Array], ...] = ()
    heat: Array = field(default_factory=lambda: np.zeros(0))
    stored_j: Mapping[int, float] = field(default_factory=dict)
    charge_w: Mapping[int, float] = field(default_factory=dict)


class Plan(NamedTuple):
    """What each leaf may draw from now on, and what the batteries do.

    Args:
        cap_w: shape (n,); of a leaf that does not answer, the most that it may draw.
        clock: shape (n,), share of its highest clock that a leaf is locked to, beside its cap; 1: not locked.
        charge_w: by domain; negative: discharge.
        limit_w: shape (d,), what the leaves of each domain may draw in all, margins taken off.
        drawn_w: shape (n,), what each leaf is reckoned at in domains with diversity: its cap, or less.
        price: shape (d,), what one more W would be worth at each domain; 0 where it does not bind.
        how: which way it was found: ``"optimal"``, ``"shifted"``, ``"proportional"`` or ``"lowest"``.
        why: for people.
    """

    time_s: float
    cap_w: Array
    clock: Array
    charge_w: Mapping[int, float]
    limit_w: Array
    drawn_w: Array
    price: Array
    how: str
    why: str = ""


def held(site: Site, seen: Snapshot) -> Flags:
    """Who draws as much as its cap allows; shape (n,)."""
    near_w = HELD * (site.max_w - site.idle_w)
    return (seen.power_w >= seen.cap_w - near_w) & (seen.power_w < site.max_w - near_w)
