"""Readings as InfluxDB line protocol, in the one canonical form that the wire carries.

``power,channel=in,device=psu0,node=n1,site=s1 value=412.5 1780000000000000000``: measurement =
quantity, four tags in that order, one float field, nanoseconds UTC. Our names need no escaping, so
a line has exactly two blanks, and both ends can work on whole batches with a few bulk operations.

Source of the syntax: InfluxDB line protocol reference (v1.8/v2).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

from edgeagent_sdk.channel import Reading
from edgeagent_sdk.errors import WireError
from edgeagent_sdk.names import NAME_PATTERN, Identity
from edgeagent_sdk.quantities import QUANTITIES

_FLOAT = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_HEAD = re.compile(
    rf"(?P<quantity>[a-z][a-z0-9_]*),channel=(?P<channel>{NAME_PATTERN}),device=(?P<device>{NAME_PATTERN})"
    rf",node=(?P<node>{NAME_PATTERN}),site=(?P<site>{NAME_PATTERN})".encode()
)
_VALUE = re.compile(rf"value={_FLOAT}".encode())
_TIME = re.compile(rb"-?\d{1,19}")

#: A clock before 2025-01-01 belongs to a box that has no battery and no network time yet.
PLAUSIBLE_FROM_NS = 1_735_689_600 * 10**9

#: Timestamps must fit the store's signed 64 bits.
TIME_MAX_NS = 2**63 - 1


def head(quantity: str, channel: str, device: str, identity: Identity) -> str:
    """What stands before the value: measurement and tags. A series has one head for life."""
    return f"{quantity},channel={channel},device={device},node={identity.node},site={identity.site}"


def encode(heads: Iterable[str], values: Iterable[float], time_ns: int) -> str:
    """One line for each finite value, all with the stamp `time_ns`; each ends with a newline.

    `repr` of a float is the shortest text that reads back as the same float, so nothing is lost.
    """
    tail = f" {time_ns}\n"
    return "".join([f"{h} value={v!r}{tail}" for h, v in zip(heads, values, strict=True) if v - v == 0.0])


def encode_readings(readings: Iterable[Reading]) -> str:
    """Lines for readings of any series and time, for programs that have no fixed set of channels."""
    lines: list[str] = []
    for r in readings:
        name = head(r.quantity, r.channel, r.device, Identity(r.site, r.node))
        lines.append(encode((name,), (float(r.value),), r.time_ns))
    return "".join(lines)


def decode_head(data: bytes) -> tuple[str, str, str, Identity]:
    """Quantity, channel, device and identity of a head.

    Raises:
        WireError: not canonical, or the quantity is unknown.
    """
    match = _HEAD.fullmatch(data)
    if match is None:
        raise WireError("not <quantity>,channel=…,device=…,node=…,site=…")
    quantity, channel, device, node, site = (part.decode() for part in match.groups())
    if quantity not in QUANTITIES:
        raise WireError(f"unknown quantity {quantity!r}")
    return quantity, channel, device, Identity(site, node)


def decode_value(data: bytes) -> float:
    """The number of a field ``value=…``. Raises WireError if it is not a finite float."""
    if not _VALUE.fullmatch(data):
        raise WireError("the field is not value=<finite float>")
    value = float(data[6:])
    if not math.isfinite(value):
        raise WireError("the value does not fit a double")
    return value


def decode_time_ns(data: bytes) -> int:
    """A time stamp in nanoseconds UTC. Raises WireError if it is none."""
    if not _TIME.fullmatch(data) or abs(time_ns := int(data)) > TIME_MAX_NS:
        raise WireError("the time stamp is not a number of nanoseconds in 64 bits")
    return time_ns


def decode_line(line: bytes) -> Reading:
    """One reading out of one line, without its newline.

    Raises:
        WireError: with the reason, fit for a dead-letter file.
    """
    parts = line.split(b" ")
    if len(parts) != 3:
        raise WireError("a line is <head> value=<float> <ns>, with two blanks")
    quantity, channel, device, identity = decode_head(parts[0])
    value, time_ns = decode_value(parts[1]), decode_time_ns(parts[2])
    return Reading(quantity, channel, device, identity.node, identity.site, value, time_ns)


def shift(payload: str, by_ns: int, before_ns: int = TIME_MAX_NS) -> str:
    """The same lines, with the time stamps below `before_ns` moved by `by_ns`."""
    moved: list[str] = []
    for line in payload.splitlines():
        body, _, stamp = line.rpartition(" ")
        time_ns = int(stamp)
        moved.append(f"{body} {time_ns + by_ns if time_ns < before_ns else time_ns}\n")
    return "".join(moved)


def keep_last(lines: Sequence[str]) -> list[str]:
    """The last line of each series, in order: what remains when a stretch of time is thinned.

    A real reading stays, not an average; the last one of a counter still counts everything.
    """
    last = {line.partition(" ")[0]: line for line in lines}
    return list(last.values())
