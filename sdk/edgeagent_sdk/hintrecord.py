"""What a workload tells the agent of one unit of its work: one datagram, whole in itself.

Nothing is told once only. Each record repeats what the session is and how many of its units are open, so that
an agent that has just started, or one that missed a datagram, is right again with the next.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from enum import IntEnum
from functools import lru_cache
from itertools import pairwise
from typing import Final, NamedTuple

from edgeagent_sdk.errors import NameInvalid
from edgeagent_sdk.names import check_name

#: No record is longer.
MAX_BYTES: Final = 1024

#: No session works on more domains.
MAX_DOMAINS: Final = 8

#: No unit takes longer.
LONGEST_S: Final = 86_400.0

_MAGIC: Final = b"eah1"

#: The magic, then the fields of `Record` in their order, without the target.
_HEAD: Final = struct.Struct("<4sBIQIqqq")

#: Deadline and misses; the names follow, separated by commas, the session's first.
_TARGET: Final = struct.Struct("<dd")


class Kind(IntEnum):
    """What has happened to a unit, or to the session (`CLOSED`)."""

    ARRIVED = 1
    BEGAN = 2
    DONE = 3
    DROPPED = 4
    CLOSED = 5


#: So many of a record's times have been by then; the rest is 0.
_TIMES: Final = {Kind.ARRIVED: 1, Kind.BEGAN: 2, Kind.DONE: 3, Kind.DROPPED: 1, Kind.CLOSED: 0}


class Target(NamedTuple):
    """What a session wants.

    Args:
        deadline_s: each unit's latency shall not pass it.
        misses: the share of units that may.
        domains: frequency domains that it works on; empty if the workload does not know.
    """

    name: str
    deadline_s: float
    misses: float
    domains: tuple[str, ...]


class Record(NamedTuple):
    """One event.

    Args:
        session: tells the sessions of a process apart.
        unit: counts from 1 within the session.
        open: units that have arrived and are neither done nor dropped, after this event.
        arrived_ns, began_ns, ended_ns: CLOCK_MONOTONIC, one for all processes of a machine.
    """

    kind: Kind
    session: int
    unit: int
    open: int
    arrived_ns: int
    began_ns: int
    ended_ns: int
    target: Target


def encoder(target: Target) -> Callable[..., bytes]:
    """What makes a session's datagrams of the fields of `Record`, in their order, without the target.

    Raises:
        ValueError: that cannot be a target.
    """
    _check(target)
    names = ",".join((target.name, *target.domains)).encode()
    end = _TARGET.pack(target.deadline_s, target.misses) + names
    pack = struct.Struct(f"{_HEAD.format}{len(end)}s").pack

    def encode(
        kind: int, session: int, unit: int, open_: int, arrived_ns: int, began_ns: int = 0, ended_ns: int = 0
    ) -> bytes:
        return pack(_MAGIC, kind, session, unit, open_, arrived_ns, began_ns, ended_ns, end)

    return encode


def decode(datagram: bytes) -> Record:
    """What a datagram says. Raises ValueError for what is no record."""
    if not _HEAD.size < len(datagram) <= MAX_BYTES:
        raise ValueError(f"{len(datagram)} bytes are no record")
    magic, number, session, unit, open_, arrived_ns, began_ns, ended_ns = _HEAD.unpack_from(datagram)
    if magic != _MAGIC:
        raise ValueError(f"it does not begin with {_MAGIC!r}")
    kind, times_ns = Kind(number), [arrived_ns, began_ns, ended_ns]
    if not _in_order(times_ns[: _TIMES[kind]]) or any(times_ns[_TIMES[kind] :]):
        raise ValueError(f"{kind.name} at {times_ns} ns: a unit arrives, begins and ends in this order")
    target = _target(datagram[_HEAD.size :])
    return Record(kind, session, unit, open_, arrived_ns, began_ns, ended_ns, target)


def _in_order(times_ns: list[int]) -> bool:
    rising = all(earlier <= later for earlier, later in pairwise([0, *times_ns]))
    return rising and (not times_ns or times_ns[-1] - times_ns[0] <= LONGEST_S * 1e9)


@lru_cache(maxsize=256)
def _target(end: bytes) -> Target:
    if len(end) < _TARGET.size:
        raise ValueError("it ends before its names")
    name, *domains = end[_TARGET.size :].decode("ascii").split(",")
    deadline_s, misses = _TARGET.unpack_from(end)
    target = Target(name, deadline_s, misses, tuple(domains))
    _check(target)
    return target


def _check(target: Target) -> None:
    try:
        for name in (target.name, *target.domains):
            check_name(name)
    except NameInvalid as error:
        raise ValueError(str(error)) from None
    if not 0 < target.deadline_s <= LONGEST_S:
        raise ValueError(f"a deadline lies between 0 and {LONGEST_S:g} s, not at {target.deadline_s:g} s")
    if not 0 <= target.misses < 1:
        raise ValueError(f"misses are a share, from 0 to below 1, not {target.misses:g}")
    if len(target.domains) > MAX_DOMAINS:
        raise ValueError(f"{len(target.domains)} domains are too many: {MAX_DOMAINS} at most")
