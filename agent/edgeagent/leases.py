"""The table of leases: which setpoint each actuator is lent, and until when. Pure: time is given to it.

A remote setpoint is a lease with an end of its own. An actuator has one value at a time, or none;
a later grant takes the place of an earlier one, and past its end nothing holds, whoever is silent.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Key(NamedTuple):
    """What a lease is on."""

    device: str
    actuator: str

    def __str__(self) -> str:
        return f"{self.device}/{self.actuator}"


class Lease(NamedTuple):
    """`value` in the actuator's unit; it holds before `until_ns` of the monotonic clock.

    `number` tells it from every other, also from one of equal value and end.
    """

    key: Key
    value: float
    until_ns: int
    number: int

    def left_s(self, now_ns: int) -> float:
        """What is left of it; 0 when it is over."""
        return max(0, self.until_ns - now_ns) / 1e9


class LeaseTable:
    """At most one lease for each actuator."""

    def __init__(self) -> None:
        self._leases: dict[Key, Lease] = {}
        self._count = 0

    def __iter__(self) -> Iterator[Lease]:
        return iter(list(self._leases.values()))

    def grant(self, key: Key, value: float, until_ns: int) -> Lease:
        """Lend `value` until then, in the place of what was lent before."""
        self._count += 1
        lease = self._leases[key] = Lease(key, value, until_ns, self._count)
        return lease

    def restore(self, lease: Lease, now_ns: int) -> bool:
        """Put an earlier lease back, if it is not over."""
        if lease.until_ns > now_ns:
            self._leases[lease.key] = lease
        return lease.until_ns > now_ns

    def revoke(self, key: Key) -> Lease | None:
        """End a lease before its time; it, if there was one."""
        return self._leases.pop(key, None)

    def expire(self, now_ns: int) -> list[Lease]:
        """Take out the leases whose end has come."""
        over = [lease for lease in self if lease.until_ns <= now_ns]
        for lease in over:
            del self._leases[lease.key]
        return over
