"""Diversity: what many loads draw together is less than the sum of what each may.

In a domain that feeds few, every leaf is reckoned at its cap: that is safe whatever happens. In one that
feeds many it would keep room for a coincidence that does not happen. There a leaf whose demand is known is
reckoned at what it is expected to draw, and the domain keeps a margin: more than the most by which such
leaves, together, have lately passed what was expected of them (conformal prediction of the sum, the past
counting ever less; what a forecast misses always, the margin has learned). Leaves that rise in step by design
(synchronous training) are reckoned at their caps here as well, as is whoever is silent or of unknown
demand; and everybody, until a minute has been seen.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from edgeagent_central.optimize.power.plan import Snapshot
from edgeagent_central.optimize.power.site import Site
from edgeagent_central.optimize.power.tree import Array, Flags

#: The margin is the mean miss, and so many times the most that was seen above it. The most counts half after
#: two and a half minutes, the mean after half a minute.
_TIMES: Final = 1.5
_KEEP_MOST: Final = 0.5 ** (1 / 150)
_KEEP_MEAN: Final = 0.5 ** (1 / 30)

#: So many seconds must have been seen.
_LEARNED: Final = 60

#: A margin above this share of a limit tells that loads come together; then caps count, as without diversity.
_TOGETHER: Final = 0.1

#: All caps of a domain together stay below this times its limit: even if everybody draws all it may for a
#: second or two, no breaker trips, one of IEC 60947-2 carries 1.3 times its rating for minutes at the least.
OVERSUBSCRIBED: Final = 1.25


class Diversity:
    """Margins of the domains of a site that are reckoned with diversity.

    Attributes:
        counted: shape (n,), the leaves that may be reckoned at less than their caps.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._mean_w, self._most_w = np.zeros(len(site.domains)), np.zeros(len(site.domains))
        self._compared = 0
        self.counted: Flags = np.zeros(len(site.leaves), bool)
        self._expected_w: Array | None = None
        self._in_step = np.array([profile.steady for profile in site.profiles])[site.profile]

    def observe(self, seen: Snapshot, known: Flags) -> None:
        """Take in a second: by how much was passed what was expected?

        Args:
            known: shape (n,), whose demand is known.
        """
        if self._expected_w is not None:
            compared = self.counted & seen.fresh
            beyond_w = np.where(compared, seen.power_w - self._expected_w, 0.0)
            missed_w = self._site.tree.load_w(beyond_w)
            self._most_w = np.maximum(self._most_w * _KEEP_MOST, missed_w - self._mean_w)
            self._mean_w += (1 - _KEEP_MEAN) * (missed_w - self._mean_w)
            self._compared += 1
        self.counted = seen.answers & seen.fresh & known & ~self._in_step

    def expect(self, expected_w: Array) -> None:
        """Remember what is expected of each leaf under the plan that is carried out; shape (n,)."""
        self._expected_w = expected_w

    @property
    def learned(self) -> bool:
        """Whether enough has been seen."""
        return self._compared >= _LEARNED

    @property
    def pays(self) -> bool:
        """Whether to reckon with it: enough was seen, and loads have not come together of late."""
        diverse = self._site.diverse
        limit_w = self._site.tree.limit_w
        return self.learned and bool(np.all(self.margin_w()[diverse] <= _TOGETHER * limit_w[diverse]))

    def margin_w(self) -> Array:
        """What each domain keeps free; shape (d,)."""
        kept_w: Array = self._mean_w + _TIMES * self._most_w
        return kept_w
