"""The machine's power cap: a lease that lives in this process and ends with it."""

from __future__ import annotations

import time
from math import inf

from edgeagent_sdk.driver import ActuatorInfo, LeasedActuator

#: The least that can be lent: a cap of 0 W is one that nobody can mean.
_LOWEST_W = 0.1


class PowerCap(LeasedActuator):
    """What the whole machine may draw, for as long as it is lent.

    Args:
        maximum_w: no lease is above it; what it is at without one.
        always_w: what the configuration allows at most; infinite for no such bound.
    """

    ttl_s = 5.0

    def __init__(self, maximum_w: float, always_w: float) -> None:
        about = "what the whole machine may draw: the governor stays below it"
        self.info = ActuatorInfo("power", "power", _LOWEST_W, maximum_w, about)
        self._always_w = always_w
        self._lent: tuple[float, float] | None = None

    @property
    def cap_w(self) -> float:
        """What the machine may draw now; infinite if it is not capped."""
        lent_w, until_s = self._lent or (inf, 0.0)
        return min(self._always_w, lent_w if time.monotonic() < until_s else inf)

    def get(self) -> float:
        """The value of the lease; the highest there can be without one."""
        lent_w, until_s = self._lent or (inf, 0.0)
        return lent_w if time.monotonic() < until_s else self.info.maximum

    def hold(self, value: float, ttl_s: float) -> None:
        """Lend it."""
        self._lent = value, time.monotonic() + ttl_s

    def release(self) -> None:
        """End the lease."""
        self._lent = None
