"""The independent judge of plans: plain sums up the tree, sharing nothing with what made the plan.

It takes no solver's word. A leaf may draw its cap if its node answers, else the most that it may at all. It
reckons by itself what the optimizer reckons as well, diversity included, so that one's mistake is not the
other's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import numpy as np

from edgeagent_central.optimize.power.plan import Plan, Snapshot
from edgeagent_central.optimize.power.site import Site
from edgeagent_central.optimize.power.tree import Array, Flags

#: Sums of many floats in another order differ by about this share.
_ROUNDING: Final = 1e-9
_ROUNDING_W: Final = 1e-3

_WINDOW: Final = 180
_LEARNED: Final = 30

#: A draw this close to the cap, as a share of the range, is held by it.
_HELD: Final = 0.01

#: Power above idle goes with this power of the clock: f·V², V nearly in proportion to f.
_LAW: Final = 2.5

#: Breakers carry this times their rating for minutes (IEC 60947-2, conventional tripping current).
_AT_ONCE: Final = 1.3

#: θ that a plan may bring a breaker to within so many seconds, as a share of what it trips at.
_HOT, _WITHIN_S = 0.97, 10.0


class Breach(NamedTuple):
    """What a plan would break, and by how much; `domain` is -1 where it is none's limit."""

    where: str
    what: str
    amount: float
    unit: str
    domain: int = -1

    def __str__(self) -> str:
        return f"{self.where}: {self.what} by {self.amount:,.4g} {self.unit}"


class Checker:
    """Judges the plans of one site.

    A domain with diversity is judged by what the checker has seen itself: leaves draw on as they do, scaled
    by the law of chips where their clock is changed, and all together pass that by no more than the most
    they have in the last three minutes. For the first half minute it judges them by their caps.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._apart_before = np.zeros(len(site.leaves), bool)
        self._promised_w = np.zeros(len(site.leaves))
        self._passed: deque[Array] = deque(maxlen=_WINDOW)
        self._near_w = _HELD * (site.max_w - site.idle_w)
        self._in_step = [leaf for leaf, kind in enumerate(site.profile) if site.profiles[kind].steady]

    def observe(self, seen: Snapshot) -> None:
        """Take in a second, after the plan that was last found good has been carried out."""
        if self._apart_before.any():
            passed_w = np.where(self._apart_before & seen.fresh, seen.power_w - self._promised_w, 0.0)
            self._passed.append(carried_w(self._site, passed_w, {}))

    def check(self, seen: Snapshot, plan: Plan, limit_w: Array) -> list[Breach]:
        """What the plan would break; nothing if it may be sent.

        Args:
            limit_w: shape (d,), what each domain may carry. One whose leaves cannot be held that low may
                carry
                what they can be held to.
        """
        breaches = [
            *_leaf_breaches(self._site, seen, plan),
            *self._domain_breaches(seen, plan, limit_w),
            *_breaker_breaches(self._site, seen, plan),
            *_battery_breaches(self._site, seen, plan),
        ]
        if not breaches:
            self._promised_w, self._apart_before = self._will_w(seen, plan), self._apart(seen)
        return breaches

    def _domain_breaches(self, seen: Snapshot, plan: Plan, limit_w: Array) -> Iterator[Breach]:
        site = self._site
        cap_w = np.where(seen.answers, plan.cap_w, seen.bound_w)
        flow_w = carried_w(site, cap_w, plan.charge_w)
        if len(self._passed) >= _LEARNED:
            drawn_w = np.where(self._apart(seen), self._will_w(seen, plan), cap_w)
            likely_w = carried_w(site, drawn_w, plan.charge_w) + np.maximum.reduce(list(self._passed)).clip(
                0.0
            )
            # Whatever is likely, caps that everybody uses at once must not trip a breaker within seconds.
            likely_w = np.maximum(likely_w, flow_w / _AT_ONCE)
            flow_w = np.where(site.diverse, np.minimum(flow_w, likely_w), flow_w)
        allowed_w = np.maximum(limit_w, unavoidable_w(site, seen))
        excess_w = flow_w - allowed_w * (1 + _ROUNDING)
        for domain in np.flatnonzero(~(excess_w <= _ROUNDING_W)):
            yield Breach(site.domains[domain], "above its limit", float(excess_w[domain]), "W", int(domain))

    def _apart(self, seen: Snapshot) -> Flags:
        """Whose draw is known and changes by itself; shape (n,)."""
        apart = seen.answers & seen.fresh & ((seen.cap_w - seen.power_w > self._near_w) | (seen.clock <= 1.0))
        apart[self._in_step] = False
        return apart

    def _will_w(self, seen: Snapshot, plan: Plan) -> Array:
        """What each leaf will draw under its new cap and clock; shape (n,)."""
        above_w = np.maximum(seen.power_w - self._site.idle_w, 0.0)
        held = seen.cap_w - seen.power_w <= self._near_w
        faster = plan.clock / np.where(seen.clock > 0.05, seen.clock, 1.0)
        unlocked_w = self._site.idle_w + above_w * np.where(held | (plan.clock < 1.0), faster, 1.0) ** _LAW
        will_w: Array = np.minimum(np.minimum(unlocked_w, self._site.max_w), plan.cap_w)
        return will_w


def unavoidable_w(site: Site, seen: Snapshot) -> Array:
    """The least that each domain can be held to now, batteries aside; shape (d,)."""
    return carried_w(site, np.where(seen.answers, site.min_w, seen.bound_w), {})


def carried_w(site: Site, leaf_w: Array, charge_w: Mapping[int, float]) -> Array:
    """What flows into each domain, from the leaves up to the root, one step of all a time; shape (d,)."""
    own_w = np.bincount(site.tree.domain, leaf_w, len(site.domains))
    for domain, into_w in charge_w.items():
        own_w[domain] += into_w
    flow_w, moving_w = own_w.copy(), own_w
    parent = site.tree.parent
    while moving_w[1:].any():
        up_w = np.zeros_like(moving_w)
        np.add.at(up_w, parent[1:], moving_w[1:])
        flow_w += up_w
        moving_w = up_w
    return np.asarray(flow_w, float)


def _leaf_breaches(site: Site, seen: Snapshot, plan: Plan) -> Iterator[Breach]:
    if not np.all(np.isfinite(plan.cap_w)):
        leaf = int(np.flatnonzero(~np.isfinite(plan.cap_w))[0])
        yield Breach(site.leaves[leaf], "its cap is no number", float("nan"), "W")
        return
    if not np.all((plan.clock >= 0.0) & (plan.clock <= 1.0)):
        yield Breach(site.name, "a clock that is no share of the highest", float("nan"), "")
        return
    lowest_w = np.where(seen.answers, site.min_w, 0.0)
    highest_w = np.where(seen.answers, site.max_w, np.inf)
    for what, excess_w in (
        ("cap below the lowest it can be held to", lowest_w - plan.cap_w),
        ("cap above the highest", plan.cap_w - highest_w),
    ):
        worst = int(np.argmax(excess_w))
        if excess_w[worst] > _ROUNDING_W:
            yield Breach(site.leaves[worst], what, float(excess_w[worst]), "W")


def _breaker_breaches(site: Site, seen: Snapshot, plan: Plan) -> Iterator[Breach]:
    """Breakers that are hot already, and would trip if everybody drew all it may."""
    flow_w = carried_w(site, np.where(seen.answers, plan.cap_w, seen.bound_w), plan.charge_w)
    lowest_w = unavoidable_w(site, seen)
    for (domain, breaker), heat in zip(site.breakers.items(), seen.heat.tolist(), strict=False):
        settles = (flow_w[domain] / breaker.rated_w) ** 2
        after = settles + (heat - settles) * float(np.exp(-_WITHIN_S / breaker.tau_s))
        if after > _HOT * breaker.trip and flow_w[domain] > lowest_w[domain] + _ROUNDING_W:
            name = f"{site.domains[domain]}: breaker"
            yield Breach(name, f"too hot within {_WITHIN_S:g} s", after - _HOT * breaker.trip, "of θ")


def _battery_breaches(site: Site, seen: Snapshot, plan: Plan) -> Iterator[Breach]:
    for domain, charge_w in plan.charge_w.items():
        store, name = site.storage[domain], f"{site.domains[domain]}: battery"
        if not abs(charge_w) <= store.power_max_w + _ROUNDING_W:
            yield Breach(name, "faster than it can", abs(charge_w) - store.power_max_w, "W")
        held_j = seen.stored_j.get(domain, 0.0)
        after_j = held_j + charge_w  # in a second; what its losses take makes it no worse by much
        if charge_w < 0 and after_j < store.reserve_j - _ROUNDING_W:
            yield Breach(name, "below its reserve", store.reserve_j - after_j, "J")
        if charge_w > 0 and after_j > store.capacity_j + _ROUNDING_W:
            yield Breach(name, "above its capacity", after_j - store.capacity_j, "J")
