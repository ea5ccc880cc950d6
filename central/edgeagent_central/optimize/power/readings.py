"""Readings of the feed in the order that the optimizer wants them, and which of them can be believed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgeagent_central.optimize.feed import Latest
from edgeagent_central.optimize.power.tree import Flags
from edgeagent_sdk.lineproto import head
from edgeagent_sdk.names import Identity

#: A stamp further ahead than this is of a clock that is wrong.
_AHEAD_S: Final = 2.0

_TROUBLES: Final = (
    "",
    "never heard of; check its name, and that its agent sends it",
    "its last reading is too old",
    "its readings are stamped ahead of the aggregator's time; set the node's clock",
    "reads less than nothing",
    "reads more than it can be; not believed",
)


class Wanted(NamedTuple):
    """A channel that is followed, and the bounds outside which it lies."""

    node: str
    quantity: str
    device: str
    channel: str
    lowest: float
    highest: float

    def __str__(self) -> str:
        return f"{self.node}/{self.device}/{self.channel} ({self.quantity})"


class Readings:
    """The last values of m channels.

    Args:
        stale_s: what is older is not fresh.

    Attributes:
        wanted: which.
        value: shape (m,), the last that was believed; NaN where there was none.
        fresh: shape (m,), whether it is recent enough to act upon.
    """

    def __init__(self, site: str, wanted: Sequence[Wanted], stale_s: float) -> None:
        count = len(wanted)
        self.wanted = tuple(wanted)
        self.value = np.full(count, np.nan)
        self.fresh: Flags = np.zeros(count, bool)
        self._stale_s = stale_s
        self._place: dict[str, list[int]] = {}
        for place, each in enumerate(wanted):
            series = head(each.quantity, each.channel, each.device, Identity(site, each.node))
            self._place.setdefault(series, []).append(place)
        self._lowest = np.array([each.lowest for each in wanted])
        self._highest = np.array([each.highest for each in wanted])
        self._raw = np.full(count, np.nan)
        self._stamp_ns: NDArray[np.int64] = np.zeros(count, np.int64)
        self._kind = np.zeros(count, np.int8)

    def take(self, latest: Latest | None, now_ns: int) -> None:
        """What the feed says; None if it says nothing. `now_ns` by the aggregator's clock."""
        for series, value, stamp_ns in latest.latest if latest else ():
            for place in self._place.get(series, ()):
                self._raw[place], self._stamp_ns[place] = value, stamp_ns
        age_s = (now_ns - self._stamp_ns) / 1e9
        raw = np.nan_to_num(self._raw, nan=np.inf)
        tests = (
            self._stamp_ns == 0,
            age_s > self._stale_s,
            age_s < -_AHEAD_S,
            raw < self._lowest,
            raw > self._highest,
        )
        self._kind = np.select(tests, range(1, len(tests) + 1), 0)
        self.fresh = self._kind == 0
        self.value = np.where(self.fresh, self._raw, self.value)

    def troubles(self) -> dict[str, str]:
        """Why those that are not fresh are not."""
        return {
            str(self.wanted[place]): _TROUBLES[self._kind[place]]
            for place in np.flatnonzero(self._kind).tolist()
        }
