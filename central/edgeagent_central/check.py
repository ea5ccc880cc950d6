"""Is this batch what it says it is? Every line is checked before it reaches the store.

Nearly all batches are sound, so a whole batch is first checked with a few bulk operations (about
half a microsecond a line). At the slightest doubt each line is looked at by itself, by the strict
decoder of the wire: that path alone says what is wrong, and keeps the good lines of a bad batch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from edgeagent_sdk.batch import MEASUREMENT, PAYLOAD_MAX_BYTES, Header, decode_header, encode_header
from edgeagent_sdk.errors import WireError
from edgeagent_sdk.lineproto import decode_head, decode_line
from edgeagent_sdk.names import Identity

#: Series that one node may have; more is a fault of the node, and must not fill our memory.
SERIES_MAX = 100_000

#: After so many bad lines no reasons are given for the rest of a batch: garbage must not cost our time.
BAD_LINES_MAX = 200

_NUMBER_BYTES = b"value= 0123456789.eE+-"
_NUMBERS = msgspec.json.Decoder(list[float])

#: What a good line looks like at a glance; used where there is no time for a second one.
_PROMISING = re.compile(rb"^[a-z][a-z0-9_]*,channel=[^\n ]+ value=[-+.0-9eE]+ [0-9]+$", re.MULTILINE)


_TOO_FAR = "the time stamp is too far from now; check the node's clock"


class Bad(NamedTuple):
    """A line that is not stored, and why. What differs from case to case stands after a colon or a
    quote in `reason`, so that reasons can be counted."""

    line: bytes
    reason: str


class Window(NamedTuple):
    """Time stamps that are taken, both ends included, in nanoseconds UTC."""

    first_ns: int
    last_ns: int


class Checked(NamedTuple):
    """What is left of a payload: the lines to store, and what was taken out.

    Attributes:
        payload: header and good lines, fit for the store; empty if nothing is.
        heads, values, stamps: of the good lines, in order; stamps as decimal digits.
        bad: the lines taken out.
        whole: every line that the header announces is there.
    """

    header: Header | None
    payload: bytes
    heads: Sequence[bytes]
    values: Sequence[float]
    stamps: Sequence[bytes]
    bad: list[Bad]
    whole: bool


Heads = dict[bytes, None]
"""The heads of a node that have been found right."""


def check(payload: bytes, identity: Identity, known: Heads, window: Window) -> Checked:
    """Check the payload of a ``data`` message that came on the topic of `identity`.

    Args:
        known: the node's heads, grown by this call.
    """
    if len(payload) > PAYLOAD_MAX_BYTES:
        return _refused(payload, f"too large: {len(payload)} bytes, the limit is {PAYLOAD_MAX_BYTES}")
    header, header_line, body, bad = _header(payload, identity, window)
    fast = _bulk(body, identity, known, window)
    if fast is not None:
        heads, values, stamps = fast
        whole = header is None or header.readings == len(heads)
        return Checked(header, header_line + body, heads, values, stamps, bad, whole)
    return _line_by_line(header, header_line, body, bad, identity, known, window)


def _refused(payload: bytes, reason: str) -> Checked:
    return Checked(None, b"", (), (), (), [Bad(payload[:200], reason)], True)


def _header(
    payload: bytes, identity: Identity, window: Window
) -> tuple[Header | None, bytes, bytes, list[Bad]]:
    """The header, its line to store, and the rest. Other programs may send none.

    The line is written anew: a field of another type than the store has would be refused there, and
    with it the whole write would have to be taken apart.
    """
    if not payload.startswith(MEASUREMENT.encode()):
        return None, b"", payload, []
    line, _, body = payload.partition(b"\n")
    try:
        header = decode_header(line)
    except WireError as error:
        return None, b"", body, [Bad(line, str(error))]
    if header.identity != identity:
        return None, b"", body, [Bad(line, _foreign(header.identity, identity))]
    if not window.first_ns <= header.time_ns <= window.last_ns:
        return header, b"", body, [Bad(line, _TOO_FAR)]
    return header, encode_header(header).encode(), body, []


def _bulk(
    body: bytes, identity: Identity, known: Heads, window: Window
) -> tuple[list[bytes], list[float], list[bytes]] | None:
    """Heads, values and stamps if every line is canonical beyond doubt, otherwise None."""
    if not body:
        return [], [], []
    # head·value·stamp⏎head·value·stamp⏎ → the blanks part values from `stamp⏎head` pairs.
    parts = body.split(b" ")
    pairs = b"\n".join(parts[0::2]).split(b"\n")
    if len(parts) % 2 == 0 or pairs.pop() or len(pairs) != len(parts) - 1:
        return None
    heads, stamps = pairs[0::2], pairs[1::2]
    fields = b" ".join(parts[1::2])
    digits = b"".join(stamps)
    # 19 digits: from 2001 to 2286; then the order of the digits is the order of time.
    if len(digits) != 19 * len(stamps) or not digits.isdigit() or set(map(len, stamps)) != {19}:
        return None
    if int(min(stamps)) < window.first_ns or int(max(stamps)) > window.last_ns:
        return None
    values = _bulk_values(fields, len(heads))
    if values is None or not (
        known.keys() >= set(heads) or _learn(set(heads) - known.keys(), identity, known)
    ):
        return None
    return heads, values, stamps


def _bulk_values(fields: bytes, count: int) -> list[float] | None:
    """The numbers of `count` fields with a blank between them.

    A JSON list is read faster than so many calls of float(). What JSON knows beside numbers has been
    kept out by then, and each comma is put where a field begins, so every field is one number.
    """
    if fields.translate(None, _NUMBER_BYTES) or not fields.startswith(b"value="):
        return None
    try:
        values = _NUMBERS.decode(b"[%b]" % fields[6:].replace(b" value=", b","))
    except msgspec.DecodeError:
        return None  # not numbers, too large for a double, or a form that JSON lacks, such as "1."
    return values if len(values) == count else None


def _learn(new: set[bytes], identity: Identity, known: Heads) -> bool:
    """Look at heads not seen before; False if one of them is wrong."""
    if len(known) + len(new) > SERIES_MAX:
        return False
    for head in new:
        try:
            *_, owner = decode_head(head)
        except WireError:
            return False
        if owner != identity:
            return False
        known[head] = None
    return True


def _line_by_line(
    header: Header | None,
    header_line: bytes,
    body: bytes,
    bad: list[Bad],
    identity: Identity,
    known: Heads,
    window: Window,
) -> Checked:
    heads: list[bytes] = []
    values: list[float] = []
    stamps: list[bytes] = []
    good: list[bytes] = [header_line]
    for line in _lines(body, bad):
        try:
            values.append(_check_line(line, identity, known, window))
        except WireError as error:
            if len(bad) < BAD_LINES_MAX:
                bad.append(Bad(line, str(error)))
            continue
        head, _, stamp = line.split(b" ")
        heads.append(head)
        stamps.append(stamp)
        good.append(line + b"\n")
    ended = body.endswith(b"\n")
    cut = not ended and bool(bad) and body.endswith(bad[-1].line)
    whole = header is None or (header.readings == body.count(b"\n") + (not ended) and not cut)
    stored = b"".join(good) if heads or header else b""
    return Checked(header, stored, heads, values, stamps, bad, whole)


def _lines(body: bytes, bad: list[Bad]) -> Iterator[bytes]:
    """The lines one by one; once too many were bad, only those that look good."""
    begin = 0
    while begin < len(body):
        end = body.find(b"\n", begin)
        end = len(body) if end < 0 else end
        if len(bad) >= BAD_LINES_MAX:
            break
        yield body[begin:end]
        begin = end + 1
    else:
        return
    rest = 0
    for match in _PROMISING.finditer(body, begin):
        yield match[0]
        rest += 1
    passed_over = body.count(b"\n", begin) + (not body.endswith(b"\n")) - rest
    bad.append(Bad(b"", f"lines of garbage that were not looked at: {passed_over}"))


def _check_line(line: bytes, identity: Identity, known: Heads, window: Window) -> float:
    """The value of a good line. Raises WireError with the reason if it is none."""
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        raise WireError("not UTF-8") from None
    reading = decode_line(line)
    owner = Identity(reading.site, reading.node)
    if owner != identity:
        raise WireError(_foreign(owner, identity))
    if not window.first_ns <= reading.time_ns <= window.last_ns:
        raise WireError(_TOO_FAR)
    head = line.split(b" ", 1)[0]
    if head not in known:
        if len(known) >= SERIES_MAX:
            raise WireError(f"the node has more than {SERIES_MAX} series")
        known[head] = None
    return reading.value


def _foreign(owner: Identity, identity: Identity) -> str:
    return f"a node speaks for itself only: the line is of {owner}, the topic of {identity}"
