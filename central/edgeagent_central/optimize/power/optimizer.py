"""Power allocation: from what is seen of a site to a cap for each leaf, once a second.

Demand → worth of a watt → merged up the tree → the horizon, where time couples → cut down the tree again →
checked. What does not pass the check gives way to the last plan, that to a proportional one, and that to
the lowest caps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

import numpy as np

from edgeagent_central.optimize.power.breakers import Bimetals
from edgeagent_central.optimize.power.checker import Checker
from edgeagent_central.optimize.power.demand import SHARES, Demand
from edgeagent_central.optimize.power.diversity import OVERSUBSCRIBED, Diversity
from edgeagent_central.optimize.power.fill import Curves, Filling, shadow_prices
from edgeagent_central.optimize.power.horizon import BLOCKS_S, Battery, Coupled, Course, Horizon
from edgeagent_central.optimize.power.outlook import Outlook
from edgeagent_central.optimize.power.plan import Plan, Snapshot
from edgeagent_central.optimize.power.site import Site
from edgeagent_central.optimize.power.tree import Array, Flags, Indices
from edgeagent_central.optimize.power.worth import Worth

#: What a domain's leaves want is told to the horizon in so many segments.
_SEGMENTS: Final = 12

#: A warm breaker shall have cooled within this.
_COOLED_S: Final = 30.0

#: A cap that would rise by less than this share of its range stays: fewer commands.
_STIR: Final = 0.005

#: A plan that was found too high is made again, lower by this times the excess.
_RETREAT: Final = 1.2

#: A plan holds for a second.
_STEP_S: Final = 1.0

#: Solvers end this close to what they look for, as a share.
_LOOSE: Final = 1e-5


class PowerOptimizer:
    """Decides about the caps of a site's leaves.

    Args:
        price: of energy, as the useful watts that a watt must do at least.
        demand: what tells each leaf's demand beforehand.
    """

    def __init__(self, site: Site, price: float = 0.0, demand: Demand | None = None) -> None:
        self.site = site
        self._price = price
        self._demand, self._worth = demand or Demand(site), Worth(site, price)
        self._coupled = site.coupled
        self._is_coupled = np.isin(np.arange(len(site.domains)), self._coupled)
        self._owner = _owner(site, self._coupled)
        self._diversity, self._checker = Diversity(site), Checker(site)
        self._outlook = Outlook(len(self._coupled), np.cumsum(BLOCKS_S).tolist())
        self._bimetals = Bimetals(site.breakers)
        self._last: Plan | None = None
        self._seen: Snapshot | None = None

    def observe(self, seen: Snapshot) -> None:
        """Take in what is known of this second."""
        self._seen = seen
        self._demand.observe(seen)
        self._diversity.observe(seen, self._demand.known)
        self._checker.observe(seen)

    def decide(self) -> Plan:
        """The plan for the second that begins; it passes the check. Call `observe` before."""
        assert self._seen is not None
        seen, turned_down = self._seen, ""
        limit_w = self._allowed_w(seen)
        demand_w = self._demand.quantiles_w()
        self._outlook.observe(self._by_owner(demand_w @ SHARES))
        aims_w = limit_w.copy()
        for make in self._ways(demand_w):
            plan = make(seen, aims_w)
            breaches = self._checker.check(seen, plan, limit_w)
            if not breaches:
                break
            turned_down = turned_down or f"the {plan.how} plan: {breaches[0]}"
            for breach in breaches:
                aims_w[breach.domain] -= _RETREAT * breach.amount * (breach.domain >= 0)
        self._last, chips = plan, self._demand.chips
        self._diversity.expect(self._expected_w(demand_w, chips.power_share(plan.clock), plan.cap_w))
        return plan._replace(why=turned_down or plan.why)

    def stopgaps(self, seen: Snapshot) -> Iterator[Plan]:
        """Plans for a second in which `decide` is late: the last one once more, else a plainer one."""
        limit_w = self._allowed_w(seen)
        if self._last:
            yield self._shifted(seen, limit_w)
        yield self._proportional(seen, limit_w)
        yield self._lowest(seen, limit_w)

    def _allowed_w(self, seen: Snapshot) -> Array:
        """What each domain may carry, its breaker's heat considered; shape (d,)."""
        if not len(seen.heat):
            return seen.limit_w
        return self._bimetals.tightened(seen.limit_w, seen.heat, _COOLED_S)

    def _ways(self, demand_w: Array) -> Iterator[Callable[[Snapshot, Array], Plan]]:
        if self._diversity.pays:
            diverse = partial(self._optimal, demand_w, self.site.diverse)
            yield diverse
            yield diverse  # once more, by as much lower as the check found it too high
        yield partial(self._optimal, demand_w, np.zeros_like(self.site.diverse))
        if self._last:
            yield self._shifted
        yield self._proportional
        yield self._lowest

    def _optimal(self, demand_w: Array, diverse: Flags, seen: Snapshot, limit_w: Array) -> Plan:
        curves, likely = self._worth.curves(demand_w)
        curves = _silenced(curves, seen)
        filling = Filling(self.site.tree, curves)
        apart = ~(diverse | self._is_coupled)
        self._cut(filling, np.where(apart, limit_w, np.where(diverse, OVERSUBSCRIBED * limit_w, np.inf)))
        cut_worth = np.where(apart, filling.cut_worth, 0.0)
        given_w, locked, limit_w = filling.width_w, np.zeros(len(seen.power_w), bool), limit_w.copy()
        if diverse.any():
            locked = self._diversity.counted & self.site.clocked & self._demand.restless
            curves, counts = self._likely(curves._replace(width_w=given_w), likely, demand_w, locked)
            filling = Filling(self.site.tree, curves, counts)
            limit_w[diverse] -= self._diversity.margin_w()[diverse]
            self._cut(filling, np.where(diverse & ~self._is_coupled, limit_w, np.inf))
        rows = self._rows(seen, limit_w, filling, curves.floor_w, demand_w @ SHARES)
        courses = Horizon(rows, price=self._price).solve()
        charge_w = self._charges(courses)
        budget_w = self._budgets(seen, limit_w, courses, charge_w)
        self._cut(filling, np.where(self._is_coupled, budget_w, np.inf))
        watts_w = np.where(locked[:, None], given_w, filling.width_w[:, : given_w.shape[1]])
        cap_w = self._calm(seen, self.site.min_w + watts_w.sum(axis=1))
        share = np.where(locked, self._worth.share(demand_w, filling.width_w.sum(axis=1)), 1.0)
        drawn_w = np.where(
            diverse.any() & self._diversity.counted, self._expected_w(demand_w, share, cap_w), cap_w
        )
        price = shadow_prices(self.site.tree, np.where(apart, cut_worth, filling.cut_worth))
        why, clock = self._binding(price), self._demand.chips.clock_for(share)
        return Plan(
            seen.time_s,
            cap_w,
            clock,
            charge_w,
            budget_w,
            drawn_w,
            price,
            "optimal",
            why,
        )

    def _likely(self, curves: Curves, likely: Array, demand_w: Array, locked: Flags) -> tuple[Curves, Array]:
        """With diversity: what leaves are likely to draw counts, and those whose clock can be locked are
        given a share of what they want instead of watts."""
        counted = self._diversity.counted
        floor_w = np.where(counted, np.minimum(demand_w, curves.floor_w[:, None]) @ SHARES, curves.floor_w)
        counts = np.where(counted[:, None], likely, 1.0)
        by_clock = self._worth.locked(demand_w)
        width_w, worth, counts = (
            _either(locked, theirs, ours)
            for theirs, ours in (
                (by_clock.width_w, curves.width_w),
                (by_clock.worth, curves.worth),
                (np.ones_like(by_clock.width_w), counts),
            )
        )
        return Curves(np.where(locked, by_clock.floor_w, floor_w), width_w, worth), counts

    def _expected_w(self, demand_w: Array, share: Array, cap_w: Array) -> Array:
        """What each leaf is expected to draw; shape (n,)."""
        idle_w = self.site.idle_w[:, None]
        drawn_w = idle_w + np.maximum(demand_w - idle_w, 0.0) * share[:, None]
        expected: Array = np.minimum(drawn_w, cap_w[:, None]) @ SHARES
        return expected

    def _cut(self, filling: Filling, limit_w: Array) -> None:
        for level in self.site.tree.levels:
            if np.isfinite(limit_w[level.domains]).any():
                filling.cut(level, limit_w)

    def _rows(
        self, seen: Snapshot, limit_w: Array, filling: Filling, floor_w: Array, wanted_w: Array
    ) -> list[Coupled]:
        """What the horizon is told of the coupled domains."""
        count = len(self._coupled)
        wanted_w = self._by_owner(wanted_w)
        growth = np.clip(self._outlook.upper() / np.maximum(wanted_w, 1e-9)[:, None], 0.1, 10.0)
        floor_w = self._by_owner(floor_w)
        now_w, limits_w = self._inflow(seen), self._limits(seen, limit_w)
        rows = []
        for place, segments in enumerate(filling.counted_w(self._owner, count)):
            domain = self._coupled[place]
            width_w, worth = _condensed(*segments)
            rows.append(
                Coupled(
                    above=_place(self._coupled, int(self.site.tree.parent[domain])),
                    ramp_up_w_per_s=float(self.site.ramp_up_w_per_s[domain]),
                    ramp_down_w_per_s=float(self.site.ramp_down_w_per_s[domain]),
                    before_w=float(now_w[domain]),
                    limit_w=limits_w[:, domain],
                    floor_w=np.full(len(BLOCKS_S), floor_w[place]),
                    width_w=growth[place][:, None] * width_w,
                    worth=worth,
                    battery=self._battery(seen, domain),
                )
            )
        return rows

    def _by_owner(self, leaf_w: Array) -> Array:
        """Sums over the leaves that are each coupled domain's own; in their order."""
        return np.asarray(np.bincount(self._owner, leaf_w, len(self._coupled)), float)

    def _inflow(self, seen: Snapshot) -> Array:
        """What flows into each domain now; shape (d,)."""
        flow_w = self.site.tree.load_w(np.where(seen.answers, seen.power_w, seen.bound_w))
        for domain, charge_w in seen.charge_w.items():
            flow_w[self.site.tree.ancestors(domain)] += charge_w
        return flow_w

    def _limits(self, seen: Snapshot, limit_w: Array) -> Array:
        """Of each block, the lowest that holds within it; shape (blocks, d)."""
        limits_w = np.tile(limit_w, (len(BLOCKS_S), 1))
        ends_s = np.cumsum(BLOCKS_S)
        for in_s, coming_w in seen.coming_w:
            later = ends_s > in_s
            begins = np.argmax(later)
            limits_w[later] = np.minimum(self.site.tree.limit_w, coming_w)
            limits_w[begins] = np.minimum(limits_w[begins], limit_w)
        return limits_w

    def _battery(self, seen: Snapshot, domain: int) -> Battery | None:
        store = self.site.storage.get(domain)
        if store is None or domain not in seen.stored_j:
            return None
        free_j = max(0.0, seen.stored_j[domain] - store.reserve_j)
        return Battery(store.power_max_w, store.capacity_j - store.reserve_j, free_j, store.efficiency)

    def _charges(self, courses: list[Course] | None) -> dict[int, float]:
        batteries = [place for place, domain in enumerate(self._coupled) if domain in self.site.storage]
        if not courses:
            return {self._coupled[place]: 0.0 for place in batteries}
        return {self._coupled[place]: float(courses[place].charge_w[0]) for place in batteries}

    def _budgets(
        self, seen: Snapshot, limit_w: Array, courses: list[Course] | None, charge_w: dict[int, float]
    ) -> Array:
        """What the leaves below each domain may draw in all; shape (d,)."""
        budget_w = np.minimum(limit_w, self._inflow(seen) + self.site.ramp_up_w_per_s * _STEP_S)
        for place, domain in enumerate(self._coupled):
            if courses:
                course_w = courses[place].power_w[0] + _LOOSE * limit_w[domain]
                budget_w[domain] = min(budget_w[domain], course_w)
        for domain, into_w in charge_w.items():
            budget_w[self.site.tree.ancestors(domain)] -= into_w
        return budget_w

    def _calm(self, seen: Snapshot, cap_w: Array) -> Array:
        rises_w = cap_w - seen.cap_w
        small = (rises_w > 0) & (rises_w < _STIR * (self.site.max_w - self.site.min_w))
        kept_w = np.where(small, np.maximum(seen.cap_w, self.site.min_w), cap_w)
        return np.where(seen.answers, kept_w, seen.bound_w)

    def _binding(self, price: Array) -> str:
        binding = np.argsort(-price)[:3]
        named = [f"{self.site.domains[d]} ({price[d]:.3g} per W)" for d in binding if price[d] > 0]
        return f"binds: {', '.join(named)}" if named else "no limit binds"

    def _shifted(self, seen: Snapshot, limit_w: Array) -> Plan:
        """The last plan once more."""
        assert self._last is not None
        cap_w = np.where(seen.answers, self._last.cap_w, seen.bound_w)
        return self._plain(seen, limit_w, cap_w, "shifted")

    def _proportional(self, seen: Snapshot, limit_w: Array) -> Plan:
        """The same share of its range to each leaf, as far as what lies above it allows, ramps included."""
        site, limit_w = self.site, self._budgets(seen, limit_w, None, {})
        floor_w = np.where(seen.answers, site.min_w, seen.bound_w)
        range_w = np.where(seen.answers, site.max_w - site.min_w, 0.0)
        room_w = np.maximum(limit_w - site.tree.load_w(floor_w), 0.0)
        share = np.minimum(room_w / np.maximum(site.tree.load_w(range_w), 1e-9), 1.0)
        share = site.tree.lowest_above(share)
        cap_w = floor_w + share[site.tree.domain] * range_w
        return self._plain(seen, limit_w, cap_w, "proportional")

    def _lowest(self, seen: Snapshot, limit_w: Array) -> Plan:
        """As low as safely possible."""
        cap_w = np.where(seen.answers, self.site.min_w, seen.bound_w)
        return self._plain(seen, limit_w, cap_w, "lowest")

    def _plain(self, seen: Snapshot, limit_w: Array, cap_w: Array, how: str) -> Plan:
        """A plan that moves no battery, locks no clock and counts on no diversity."""
        clock, price = np.ones_like(cap_w), np.zeros_like(limit_w)
        return Plan(seen.time_s, cap_w, clock, {}, limit_w, cap_w, price, how)


def _owner(site: Site, coupled: list[int]) -> Indices:
    """For each leaf the place of the lowest coupled domain above it; shape (n,)."""
    nearest = np.zeros(len(site.domains), np.intp)
    for domain in range(len(site.domains)):
        own = _place(coupled, domain)
        nearest[domain] = own if own >= 0 else nearest[site.tree.parent[domain]]
    return nearest[site.tree.domain]


def _place(coupled: list[int], domain: int) -> int:
    return coupled.index(domain) if domain in coupled else -1


def _silenced(curves: Curves, seen: Snapshot) -> Curves:
    """Leaves that do not answer draw the most that they may, and are given nothing."""
    return Curves(
        np.where(seen.answers, curves.floor_w, seen.bound_w),
        curves.width_w * seen.answers[:, None],
        curves.worth,
    )


def _condensed(width_w: Array, worth: Array) -> tuple[Array, Array]:
    """Segments by falling worth, as a few of about equal width with their mean worth."""
    used = width_w > 0
    width_w, worth = width_w[used], worth[used]
    if len(width_w) <= _SEGMENTS:
        return width_w, worth
    ends_w = np.cumsum(width_w)
    starts = np.searchsorted(ends_w, np.linspace(0.0, ends_w[-1], _SEGMENTS + 1)[:-1], side="right")
    starts = np.unique(starts)
    wide_w = np.add.reduceat(width_w, starts)
    return wide_w, np.add.reduceat(width_w * worth, starts) / wide_w


def _either(locked: Flags, theirs: Array, ours: Array) -> Array:
    """Rows of one or the other, the shorter filled up with zeros; shape (n, k)."""
    rows = np.zeros((len(locked), max(theirs.shape[1], ours.shape[1])))
    rows[locked, : theirs.shape[1]] = theirs[locked]
    rows[~locked, : ours.shape[1]] = ours[~locked]
    return rows
