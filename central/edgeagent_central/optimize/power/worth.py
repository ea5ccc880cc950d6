"""What a watt more is worth to each leaf, given what it may want: the curves that `fill` divides by.

With demand d a leaf held at p does ``(d - idle)·g((p - idle)/(d - idle))`` useful watts of work, g being
its class's profile. Its demand is uncertain, so a watt more is worth what it is expected to do over the
quantiles of the demand: nothing where the demand lies below (the newsvendor's rule). Sums of concave curves
are concave.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from edgeagent_central.optimize.power.demand import SHARES
from edgeagent_central.optimize.power.fill import Curves
from edgeagent_central.optimize.power.profiles import Profile
from edgeagent_central.optimize.power.site import Site
from edgeagent_central.optimize.power.tree import Array

#: The expected worth bends where the profile does, for each quantile of the demand. So many bends are kept:
#: those of the middle quantile, the strongest first, then the strongest of the others.
_BENDS: Final = 6
_MIDDLE_FIRST: Final = (1, 0, 2, 3)

#: Slopes are looked up at this many places of a profile.
_GRID: Final = 512


class Worth:
    """Curves for the leaves of a site.

    Args:
        price: of energy: what a watt must at least be worth.
    """

    def __init__(self, site: Site, price: float = 0.0) -> None:
        self._site, self._price = site, price
        self._slopes = _slope_table(site.profiles)
        segments = max(len(profile.x) for profile in site.profiles) - 1
        self._x = np.stack([_padded(profile.x, segments + 1) for profile in site.profiles])
        work = np.stack([_padded(profile.work, segments + 1) for profile in site.profiles])
        self._rise = np.diff(work, axis=1) / np.maximum(np.diff(self._x, axis=1), 1e-12)
        bends = [_bends(profile) for profile in site.profiles]
        self._bend_x = np.array([[x for x, _ in each] for each in bends])[site.profile]
        self._bend_of = np.array([[quantile for _, quantile in each] for each in bends])[site.profile]

    def curves(self, demand_w: Array) -> tuple[Curves, Array]:
        """From quantiles of the demand, shape (n, 5): what power is worth, and how likely each segment is
        drawn, shape (n, k)."""
        site = self._site
        low, high, idle_w = site.min_w[:, None], site.max_w[:, None], site.idle_w[:, None]
        bends_w = idle_w + self._bend_x * (np.take_along_axis(demand_w, self._bend_of, axis=1) - idle_w)
        inner_w = np.sort(np.clip(np.concatenate((bends_w, demand_w), axis=1), low, high), axis=1)
        edges = np.concatenate((low, inner_w, high), axis=1)
        width_w = np.diff(edges, axis=1)
        middle_w = edges[:, :-1] + width_w / 2
        worth, likely = np.zeros_like(width_w), np.zeros_like(width_w)
        above_idle_w = middle_w - site.idle_w[:, None]
        for place, share in enumerate(SHARES):
            wants_w = np.maximum(demand_w[:, place] - site.idle_w, 1e-9)[:, None]
            x = np.minimum(above_idle_w / wants_w, 1.0)
            slope = self._slopes[site.profile[:, None], (x * _GRID).astype(np.intp)]
            worth += share * np.where(x < 1.0, slope * site.weight[:, None] - self._price, 0.0)
            likely += share * (x < 1.0)
        width_w = np.where(worth >= 0.0, width_w, 0.0)
        return Curves(site.min_w, width_w, np.maximum(worth, 0.0)), likely

    def locked(self, demand_w: Array) -> Curves:
        """The same for leaves whose clock is set, and not their power: they draw a share of what they want,
        however much that is, so only its mean counts. The segments are those of the profile, of shape (n,
        k)."""
        site = self._site
        wants_w = np.maximum(demand_w @ SHARES - site.idle_w, 0.0)
        least = lowest_share(site)
        x = np.maximum(self._x[site.profile], least[:, None])
        worth = np.maximum(self._rise[site.profile] * site.weight[:, None] - self._price, 0.0)
        width_w = wants_w[:, None] * np.diff(x, axis=1) * (worth > 0)
        return Curves(site.idle_w + wants_w * least, width_w, worth)

    def share(self, demand_w: Array, given_w: Array) -> Array:
        """Of what it wants above idle, what a leaf may draw that was given `given_w` of its `locked`
        segments."""
        wants_w = np.maximum(demand_w @ SHARES - self._site.idle_w, 1e-9)
        share: Array = np.clip(lowest_share(self._site) + given_w / wants_w, 0.0, 1.0)
        return share


def lowest_share(site: Site) -> Array:
    """Of what it wants above idle, what a leaf draws at its lowest clock; shape (n,)."""
    share: Array = (site.min_w - site.idle_w) / np.maximum(site.max_w - site.idle_w, 1e-9)
    return share


def _bends(profile: Profile) -> list[tuple[float, int]]:
    """Where the worth bends: the place in the profile, and of which quantile."""
    strength = -np.diff(np.diff(profile.work) / np.diff(profile.x))
    strongest = profile.x[1:-1][np.argsort(-strength)].tolist() or [0.5]
    middle, *others = _MIDDLE_FIRST
    bends = [(x, middle) for x in strongest] + [(x, other) for x in strongest for other in others]
    return (bends * _BENDS)[:_BENDS]


def _slope_table(profiles: Sequence[Profile]) -> Array:
    """Shape (classes, grid + 1)."""
    grid = (np.arange(_GRID + 1) + 0.5) / _GRID
    return np.stack([profile.slope(np.minimum(grid, 1.0)) for profile in profiles])


def _padded(points: Array, count: int) -> Array:
    return np.pad(points, (0, count - len(points)), constant_values=1.0)
