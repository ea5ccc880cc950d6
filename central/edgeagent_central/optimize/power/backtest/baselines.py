"""What people do today, behind the same three methods."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final

import numpy as np

from edgeagent_central.optimize.power.fill import Curves, fill
from edgeagent_central.optimize.power.plan import Plan, Snapshot
from edgeagent_central.optimize.power.site import Site
from edgeagent_central.optimize.power.tree import Array


class _Baseline(ABC):
    """Keeps what was seen; each derives its caps from that."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._seen: Snapshot | None = None

    def observe(self, seen: Snapshot) -> None:
        """Take in what is known of this second."""
        self._seen = seen

    def decide(self) -> Plan:
        """The caps from now on."""
        assert self._seen is not None
        cap_w = np.clip(self._caps_w(self._seen), self.site.min_w, self.site.max_w)
        clock, price = np.ones_like(cap_w), np.zeros(len(self.site.domains))
        limit_w = self._seen.limit_w
        return Plan(self._seen.time_s, cap_w, clock, {}, limit_w, cap_w, price, type(self).__name__)

    @abstractmethod
    def _caps_w(self, seen: Snapshot) -> Array:
        """What each leaf is held to; shape (n,)."""

    def _shares_w(self, range_w: Array, limit_w: Array) -> Array:
        """Each leaf's lowest and the same share of its range, as far as what lies above it allows."""
        tree, floor_w = self.site.tree, self.site.min_w
        room_w = np.maximum(limit_w - tree.load_w(floor_w), 0.0)
        share = room_w / np.maximum(tree.load_w(range_w), 1e-9)
        share = tree.lowest_above(share)
        given_w: Array = floor_w + share[tree.domain] * range_w
        return given_w


class Uniform(_Baseline):
    """The same cap for all, once and for ever."""

    def _caps_w(self, seen: Snapshot) -> Array:
        return self._shares_w(self.site.max_w - self.site.min_w, seen.limit_w)


class Proportional(_Baseline):
    """Caps in proportion to what each draws now."""

    def _caps_w(self, seen: Snapshot) -> Array:
        return self._shares_w(np.maximum(seen.power_w - self.site.min_w, 1.0), seen.limit_w)


class Greedy(_Baseline):
    """Priority by priority: all that the higher ones draw, with a tenth to grow; then the lower ones."""

    def _caps_w(self, seen: Snapshot) -> Array:
        site = self.site
        wants_w = np.clip(1.1 * seen.power_w, site.min_w, site.max_w) - site.min_w
        rest_w = site.max_w - site.min_w - wants_w
        # Whoever is held wants more than it draws.
        held = seen.power_w > seen.cap_w - 0.01 * (site.max_w - site.idle_w)
        wants_w, rest_w = wants_w + held * rest_w, rest_w * ~held
        worth = np.stack((site.weight, site.weight * 1e-6), axis=1)
        curves = Curves(site.min_w, np.stack((wants_w, rest_w), axis=1), worth)
        return fill(site.tree, curves, seen.limit_w).power_w


class Dynamo(_Baseline):
    """Three bands, as Facebook's Dynamo (Wu et al., ISCA '16): a domain above 99 % of its limit is cut to
    95 %, the lowest priorities and the highest draws first; below 90 % its caps are lifted. Every third
    second."""

    _above, _target, _lifted, _every_s = 0.99, 0.95, 0.90, 3.0
    #: The highest draws, within so many watts of one another, are cut alike.
    _bucket_w: Final = 20.0

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        #: Each level of the tree holds caps of its own; the lowest counts.
        self._caps = np.tile(site.max_w, (len(site.tree.levels), 1))
        self._next_s = -np.inf

    def _caps_w(self, seen: Snapshot) -> Array:
        if seen.time_s >= self._next_s:
            self._next_s = seen.time_s + self._every_s
            tree, draws_w = self.site.tree, seen.power_w.copy()
            for cap_w, level in zip(self._caps, tree.levels, strict=True):
                for domain in level.domains:
                    leaves = slice(tree.first[domain], tree.end[domain])
                    self._band(leaves, cap_w, draws_w, float(seen.limit_w[domain]))
        lowest_w: Array = self._caps.min(axis=0)
        return lowest_w

    def _band(self, leaves: slice, cap_w: Array, draws_w: Array, limit_w: float) -> None:
        load_w = float(draws_w[leaves].sum())
        if load_w > self._above * limit_w:
            cut_w = _highest_first(
                draws_w[leaves],
                self.site.min_w[leaves],
                self.site.weight[leaves],
                load_w - self._target * limit_w,
                self._bucket_w,
            )
            cap_w[leaves] = np.where(cut_w > 0, draws_w[leaves] - cut_w, cap_w[leaves])
            draws_w[leaves] -= cut_w
        elif load_w < self._lifted * limit_w:
            cap_w[leaves] = self.site.max_w[leaves]


def _highest_first(draws_w: Array, min_w: Array, weight: Array, excess_w: float, bucket_w: float) -> Array:
    """Who gives how much: priority by priority, within one the highest bucket of draws first."""
    cut_w = np.zeros_like(draws_w)
    for priority in np.unique(weight):
        mine = weight == priority
        room_w = np.maximum(draws_w - min_w, 0.0) * mine
        if room_w.sum() <= excess_w:
            cut_w += room_w
            excess_w -= room_w.sum()
            continue
        # The level above which everything is cut: lowered bucket by bucket.
        level_w = draws_w[mine].max(initial=0.0)
        while (taken_w := np.minimum(np.maximum(draws_w - level_w, 0.0), room_w)).sum() < excess_w:
            level_w -= bucket_w
        cut_w += taken_w * min(1.0, excess_w / max(float(taken_w.sum()), 1e-9))
        break
    return cut_w


BASELINES: Final = {
    "uniform": Uniform,
    "proportional": Proportional,
    "priority greedy": Greedy,
    "three-band (Dynamo)": Dynamo,
}
