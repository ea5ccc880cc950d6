"""The plant of the backtest: servers that draw what they want up to their cap, some of which fall silent.

A silent server takes no command and tells nothing; its cap holds until its lease ends, then its fallback.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from edgeagent_central.optimize.power.phases import rises
from edgeagent_central.optimize.power.plan import Plan, Snapshot
from edgeagent_central.optimize.power.site import Site
from edgeagent_central.optimize.power.tree import Array, Flags

LEASE_S: Final = 10.0

#: A silent server is heard again after this, in the mean.
_SILENCE_S: Final = 60.0

#: f·V²: the voltage of some hardly falls with the clock, of others nearly in proportion.
_CLOCK_EXPONENTS: Final = (1.8, 2.9)


class Plant:
    """Servers under caps.

    Args:
        silent: the share of servers that are silent at any time.
        phased: plans are carried out in two phases; else all at once, as by those who count on every command.

    Attributes:
        power_w: shape (n,), what each draws in this second.
        cap_w: shape (n,), what each is held to.
        changed: how many caps the last plan changed.
    """

    def __init__(self, site: Site, silent: float, seed: int, *, phased: bool) -> None:
        self._site, self._share, self._phased = site, silent, phased
        self._rng = np.random.default_rng(seed)
        count = len(site.leaves)
        self._silent: Flags = self._rng.random(count) < silent
        self._until_s = np.full(count, LEASE_S)
        self.cap_w = site.fallback_w.copy()
        self.power_w = site.idle_w.copy()
        self._told_w = self.power_w.copy()
        self._bound_w = site.max_w.copy()
        self._clock, self._lock = np.ones(count), np.ones(count)
        #: Power above idle goes with this power of the clock; no two chips are alike.
        self._exponent = self._rng.uniform(*_CLOCK_EXPONENTS, count)
        self.changed = 0

    def draw(self, time_s: float, demand_w: Array) -> None:
        """A second passes: some fall silent, some are heard again, leases end, all draw."""
        begin = self._share / max(1.0 - self._share, 1e-9) / _SILENCE_S
        dice = self._rng.random(len(self._silent))
        self._silent = np.where(self._silent, dice >= 1.0 / _SILENCE_S, dice < begin)
        ended = self._until_s <= time_s
        self.cap_w = np.where(ended, self._site.fallback_w, self.cap_w)
        self._lock = np.where(ended, 1.0, self._lock)
        wanted_w = demand_w - self._site.idle_w
        locked_w = self._site.idle_w + wanted_w * self._lock**self._exponent
        self.power_w = np.minimum(locked_w, self.cap_w)
        above_w = self.power_w - self._site.idle_w
        self._clock = np.where(
            wanted_w > 0, (above_w / np.maximum(wanted_w, 1e-9)) ** (1 / self._exponent), self._lock
        )

    def snapshot(self, time_s: float, limit_w: Array) -> Snapshot:
        """What the optimizer gets to see."""
        heard = ~self._silent
        self._told_w = np.where(heard, self.power_w, self._told_w)
        # Whoever is heard tells its cap; of the others only the last confirmed one and the
        # fallback are known.
        ended = time_s >= self._until_s  # those who told a cap told as well until when it holds
        loose_w = np.where(ended, self._site.fallback_w, np.maximum(self._bound_w, self._site.fallback_w))
        self._bound_w = np.where(heard, self.cap_w, loose_w)
        return Snapshot(time_s, self._told_w, heard, heard, self.cap_w, self._bound_w, self._clock, limit_w)

    def obey(self, time_s: float, seen: Snapshot, plan: Plan) -> None:
        """Carry a plan out: those who hear it hold it for the time of a lease."""
        # Some of those who answered a moment ago do not any more.
        hears = ~self._silent & (self._rng.random(len(self._silent)) >= self._share / _SILENCE_S)
        before_w = self.cap_w
        if self._phased:
            fallen_w = np.where(hears, np.minimum(before_w, plan.cap_w), before_w)
            may_draw_w = np.where(seen.answers, fallen_w, seen.bound_w)
            raised_w = rises(self._site, plan, may_draw_w, hears & seen.answers)
            self.cap_w = np.where(hears, raised_w, before_w)
        else:
            self.cap_w = np.where(hears, plan.cap_w, before_w)
        self._lock = np.where(hears, plan.clock, self._lock)
        self._until_s = np.where(hears, time_s + LEASE_S, self._until_s)
        self.changed = int(np.count_nonzero(np.abs(self.cap_w - before_w) > 0.5))
