"""Diversity: what many loads draw together is less than the sum of what each may.

In a domain that feeds few, every leaf is reckoned at its cap: that is safe whatever happens. In one that
feeds many it would keep room for a coincidence that does not happen. There a leaf whose demand is known is
reckoned at what it is expected to draw, and the domain keeps a margin: more than the most by which such
leaves, together, have passed what was expected of them within the last ten minutes (conformal prediction of
the sum; what a forecast misses always, the margin has learned). Leaves that rise in step by design
(synchronous training) are reckoned at their caps here as well, as is whoever is silent or of unknown
demand; and everybody, until a minute has been seen.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np

from edgeagent_central.optimize.power.plan import Snapshot
from edgeagent_central.optimize.power.site import Site
from edgeagent_central.optimize.power.tree import Array, Flags

_WINDOW: Final = 600
_LEARNED: Final = 60
_TIMES: Final = 1.5


class Diversity:
    """Margins of the domains of a site that are reckoned with diversity.

    Attributes:
        counted: shape (n,), the leaves that may be reckoned at less than their caps.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._missed: deque[Array] = deque(maxlen=_WINDOW)
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
            self._missed.append(self._site.tree.load_w(beyond_w))
        self.counted = seen.answers & seen.fresh & known & ~self._in_step

    def expect(self, expected_w: Array) -> None:
        """Remember what is expected of each leaf under the plan that is carried out; shape (n,)."""
        self._expected_w = expected_w

    @property
    def learned(self) -> bool:
        """Whether enough has been seen."""
        return len(self._missed) >= _LEARNED

    def margin_w(self) -> Array:
        """What each domain keeps free; shape (d,)."""
        highest_w = np.max(np.stack(self._missed), axis=0)
        kept_w: Array = _TIMES * np.maximum(highest_w, 0.0)
        return kept_w
