"""What each leaf will want in the next second: quantiles of its demand, calibrated on the stream itself.

A leaf that draws less than it may shows its demand. One that draws all it may hides it; its clock tells
then by how much it is slowed, and what it would draw at full clock follows from the law of its chip, which
is learned leaf by leaf. Without a clock it wants what it last did, and climbs from there as far as it is let.

The next demand is that plus a residual, whose quantiles are those of all leaves of the class at a like
level, with forgetting (split conformal prediction; Vovk, Gammerman, Shafer, 2005).

Demands within are shares of a leaf's range: 0 idle, 1 at `max_w`.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from edgeagent_central.optimize.power.chips import Chips
from edgeagent_central.optimize.power.plan import Snapshot, held
from edgeagent_central.optimize.power.site import Site
from edgeagent_central.optimize.power.tree import Array, Flags, Indices

#: Quantiles that stand for the distribution, and the share of it that each stands for.
LEVELS: Final = np.array([0.1, 0.5, 0.8, 0.95, 0.995])
SHARES: Final = np.diff([0.0, *((LEVELS[1:] + LEVELS[:-1]) / 2), 1.0])

_BINS, _BANDS = 401, 5
_MIDDLE: Final = _BINS // 2

#: Nine tenths of the next demands lie within more than this share of the demand: it is restless.
_RESTLESS: Final = 0.3

#: What has been seen counts half after about a minute and a half.
_KEEP: Final = 0.9925

#: Before anything is seen: mostly as now, a jump to anywhere now and then.
_PRIOR_COUNT: Final = 20.0
_PRIOR_JUMP: Final = 0.1


class Demand:
    """The demand of n leaves.

    Attributes:
        known: shape (n,), whose demand is seen or reckoned from its clock.
        chips: what the clock tells of the power.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self.chips = Chips(len(site.leaves))
        self._range_w = np.maximum(site.max_w - site.idle_w, 1e-9)
        #: Until it is seen, a leaf wants all.
        self._share = np.ones(len(site.leaves))
        self.known: Flags = np.zeros(len(site.leaves), bool)
        prior = np.full(_BINS, _PRIOR_JUMP / _BINS)
        prior[_MIDDLE] += 1.0 - _PRIOR_JUMP
        self._residuals = np.tile(prior * _PRIOR_COUNT, (len(site.profiles), _BANDS, 1))
        self._quantiles = self._calibrated()

    def observe(self, seen: Snapshot) -> None:
        """Take in a second."""
        share = np.clip((seen.power_w - self._site.idle_w) / self._range_w, 0.0, 1.0)
        clock = np.clip(np.nan_to_num(seen.clock, nan=1.0), 0.05, 1.0)
        capped, told = held(self._site, seen), seen.fresh & np.isfinite(seen.clock)
        self.chips.observe(share, clock, capped & told & (clock < 1.0))
        share = np.minimum(share / self.chips.power_share(clock), 1.0)
        known = told | (seen.fresh & ~capped)
        self._learn(share, known & self.known)
        guess = np.where(seen.fresh, np.maximum(self._share, share), self._share)
        self._share = np.where(known, share, guess)
        self.known = known
        self._quantiles = self._calibrated()

    def quantiles_w(self) -> Array:
        """Of the next second's demand at `LEVELS`; shape (n, 5)."""
        residual = self._quantiles[self._site.profile, _band(self._share)]
        share = np.clip(self._share[:, None] + residual, 0.0, 1.0)
        wanted_w: Array = self._site.idle_w[:, None] + share * self._range_w[:, None]
        return wanted_w

    @property
    def restless(self) -> Flags:
        """Whose demand jumps about from second to second, as a share of itself; shape (n,)."""
        residual = self._quantiles[..., 3] - self._quantiles[..., 0]
        spread: Array = residual[self._site.profile, _band(self._share)]
        return spread > _RESTLESS * np.maximum(self._share, 0.05)

    def _learn(self, share: Array, known: Flags) -> None:
        change = np.rint((share - self._share)[known] * _MIDDLE).astype(np.intp) + _MIDDLE
        cell = (self._site.profile[known] * _BANDS + _band(self._share[known])) * _BINS + change
        self._residuals *= _KEEP
        self._residuals += np.bincount(cell, minlength=self._residuals.size).reshape(self._residuals.shape)

    def _calibrated(self) -> Array:
        """Quantiles of the residuals; shape (classes, bands, 5)."""
        counted = np.cumsum(self._residuals, axis=2)
        wanted = LEVELS * counted[..., -1:]
        place = (counted[..., None, :] < wanted[..., None]).sum(axis=-1)
        quantiles: Array = (place - _MIDDLE) / _MIDDLE
        return quantiles


def _band(share: Array) -> Indices:
    return np.minimum((share * _BANDS).astype(np.intp), _BANDS - 1)
