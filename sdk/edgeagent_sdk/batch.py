"""Batches: a header line, then lines of readings. The unit of sending and of acknowledgement.

The header, ``edgeagent_batch,node=n1,site=s1 boot="…",seq=42i,readings=180i,clock="synced" <ns>``,
is stored like any line, so gaps can be found by a query.

`boot` names the outbox that numbers the batches: it lives as long as that outbox, across restarts
of the agent, and `seq` counts from 1 without holes within it. `merged` says that this batch also
stands for the so many numbers before its own, thinned together with it; `thinned` counts the
readings that this cost.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from edgeagent_sdk.channel import Reading
from edgeagent_sdk.errors import WireError
from edgeagent_sdk.lineproto import decode_line, decode_time_ns
from edgeagent_sdk.names import NAME_PATTERN, Identity

MEASUREMENT = "edgeagent_batch"

#: The aggregator refuses larger payloads, so no sender makes them.
PAYLOAD_MAX_BYTES = 1 << 20

_HEADER = re.compile(
    rf"{MEASUREMENT},node=(?P<node>{NAME_PATTERN}),site=(?P<site>{NAME_PATTERN}) "
    rf"(?P<fields>[^ \n]+) (?P<time>\d{{1,19}})".encode()
)
_COUNT, _TEXT = r"(-?\d{1,18})i", r'"([^"\\,= \n]*)"'
#: What `encode_header` makes: the fields in their order. Read in one go, for there is one to each batch.
_USUAL = re.compile(
    rf"{MEASUREMENT},node=({NAME_PATTERN}),site=({NAME_PATTERN}) "
    rf"boot={_TEXT},seq={_COUNT},readings={_COUNT},clock={_TEXT}"
    rf"(?:,instance={_TEXT})?(?:,merged={_COUNT})?(?:,thinned={_COUNT})? (\d{{1,19}})",
    re.ASCII,
)
_FIELD = re.compile(rb'([a-z_]+)=(?:"([^"\\,= ]*)"|(-?\d{1,18})i|([-+.\deE]+))(?:,|$)')


class Header(NamedTuple):
    """The first line of a batch. `time_ns` is when the batch was closed, `clock` how far to trust it:
    ``synced``, ``unsynced`` or ``stepped`` (a jump of the wall clock is being smoothed out).
    `instance` names the installation that sends, so that two with one name can be told apart."""

    identity: Identity
    boot: str
    seq: int
    readings: int
    clock: str
    time_ns: int
    instance: str = ""
    merged: int = 0
    thinned: int = 0


def encode_header(header: Header) -> str:
    """The header as a line, with its newline."""
    extra = "".join(
        f",{name}={value}"
        for name, value, given in (
            ("instance", f'"{header.instance}"', header.instance),
            ("merged", f"{header.merged}i", header.merged),
            ("thinned", f"{header.thinned}i", header.thinned),
        )
        if given
    )
    site, node = header.identity
    return (
        f'{MEASUREMENT},node={node},site={site} boot="{header.boot}",seq={header.seq}i,'
        f'readings={header.readings}i,clock="{header.clock}"{extra} {header.time_ns}\n'
    )


def decode_header(line: bytes) -> Header:
    """The header out of its line, without newline. Unknown fields are passed over.

    Raises:
        WireError: not a header, or a field that must be there is missing.
    """
    header = _usual(line) or _any_order(line)
    if min(header.readings, header.thinned, header.merged) < 0 or header.seq < header.merged:
        raise WireError("a count of the header cannot be")
    return header


def _usual(line: bytes) -> Header | None:
    match = _USUAL.fullmatch(line.decode("utf-8", "replace"))
    if match is None:
        return None
    node, site, boot, seq, readings, clock, instance, merged, thinned, stamp = match.groups()
    return Header(
        Identity(site, node),
        boot,
        int(seq),
        int(readings),
        clock,
        decode_time_ns(stamp.encode()),
        instance or "",
        int(merged or 0),
        int(thinned or 0),
    )


def _any_order(line: bytes) -> Header:
    match = _HEADER.fullmatch(line)
    if match is None:
        raise WireError(f"the first line is not a header ({MEASUREMENT},node=…,site=… boot=…,seq=…)")
    fields: dict[str, str] = {}
    rest = match["fields"]
    end = 0
    for part in _FIELD.finditer(rest):
        if part.start() != end:
            break
        end = part.end()
        name, *values = part.groups()
        fields[name.decode()] = next(v for v in values if v is not None).decode("utf-8", "replace")
    if end != len(rest):
        raise WireError("the header's fields are not line protocol")
    try:
        header = Header(
            identity=Identity(match["site"].decode(), match["node"].decode()),
            boot=fields["boot"],
            seq=int(fields["seq"]),
            readings=int(fields["readings"]),
            clock=fields["clock"],
            time_ns=decode_time_ns(match["time"]),
            instance=fields.get("instance", ""),
            merged=int(fields.get("merged", 0)),
            thinned=int(fields.get("thinned", 0)),
        )
    except KeyError as error:
        raise WireError(f"the header lacks {error.args[0]!r}") from None
    except ValueError:
        raise WireError("a count of the header is not a whole number") from None
    return header


def decode_batch(payload: bytes) -> tuple[Header, list[Reading]]:
    """Header and readings of a whole batch.

    Raises:
        WireError: any line is not canonical. (The aggregator is more patient: it keeps the good lines.)
    """
    first, *rest = payload.removesuffix(b"\n").split(b"\n")
    return decode_header(first), [decode_line(line) for line in rest]
