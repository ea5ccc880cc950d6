"""The Basic Encoding Rules, as far as SNMP uses them (X.690; RFC 3417 section 8: definite lengths only).

Object identifiers stay encoded throughout: an instance is its column's bytes followed by its index's,
so telling which value an answer bears takes a comparison of bytes and no decoding.
"""

from __future__ import annotations

from collections.abc import Sequence

INTEGER, OCTETS, NULL, OID, SEQUENCE = 0x02, 0x04, 0x05, 0x06, 0x30

#: Signed by RFC 2578; the other numbers of SNMP are unsigned.
_COUNTER32, _GAUGE32, _TIMETICKS, _COUNTER64 = 0x41, 0x42, 0x43, 0x46
_UNSIGNED = frozenset((_COUNTER32, _GAUGE32, _TIMETICKS, _COUNTER64))

#: noSuchObject, noSuchInstance, endOfMibView (RFC 3416), and the NULL of a request.
_NOTHING = frozenset((NULL, 0x80, 0x81, 0x82))

#: More octets are no number of SNMP's: 64 bits, and one for the sign.
_NUMBER_MAX = 9

Oid = bytes
"""An object identifier, encoded, without tag and length."""

VarValue = int | bytes | None
"""What a variable holds: a number, octets (an object identifier too), or nothing: it is not there."""

VarBind = tuple[Oid, VarValue]


class Malformed(Exception):
    """Bytes that are no such encoding."""


def tlv(tag: int, content: bytes) -> bytes:
    """One value: tag, length, content."""
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def integer(value: int, tag: int = INTEGER) -> bytes:
    """A number in as few octets as it takes."""
    size = (value if value >= 0 else ~value).bit_length() // 8 + 1
    return tlv(tag, value.to_bytes(size, "big", signed=True))


def enter(data: bytes, at: int, end: int, tag: int) -> tuple[int, int]:
    """Where the content of the value at `at` begins and ends.

    Raises:
        Malformed: it has another tag, or reaches beyond `end`.
    """
    found, start, stop = _header(data, at, end)
    if found != tag:
        raise Malformed(f"tag 0x{found:02X} where 0x{tag:02X} should be")
    return start, stop


def number(data: bytes, at: int, end: int) -> tuple[int, int]:
    """The INTEGER at `at`, and where the next value begins. Raises Malformed."""
    start, stop = enter(data, at, end, INTEGER)
    if not 0 < stop - start <= _NUMBER_MAX:
        raise Malformed(f"a number of {stop - start} octets")
    return int.from_bytes(data[start:stop], "big", signed=True), stop


def octets(data: bytes, at: int, end: int) -> tuple[bytes, int]:
    """The OCTET STRING at `at`, and where the next value begins. Raises Malformed."""
    start, stop = enter(data, at, end, OCTETS)
    return data[start:stop], stop


def varbinds(data: bytes, at: int, end: int) -> list[VarBind]:
    """The variables in `data[at:end]`, each a SEQUENCE of name and value.

    Raises:
        Malformed: they are not.
    """
    result: list[VarBind] = []
    while at < end:
        tag, at, stop = _header(data, at, end)
        name_tag, start, name_stop = _header(data, at, stop)
        if tag != SEQUENCE or name_tag != OID:
            raise Malformed("a variable that does not begin with its name")
        value_tag, value_start, at = _header(data, name_stop, stop)
        if at != stop:
            raise Malformed("a variable with more than name and value")
        result.append((data[start:name_stop], _value(value_tag, data[value_start:stop])))
    return result


def _header(data: bytes, at: int, end: int) -> tuple[int, int, int]:
    """Tag, and where the content begins and ends."""
    try:
        size, start = data[at + 1], at + 2
        if size >= 0x80:
            start += size & 0x7F
            size = int.from_bytes(data[at + 2 : start], "big") if start > at + 2 else end
    except IndexError:
        raise Malformed("it ends within a header") from None
    if start + size > end:
        raise Malformed("a value that is longer than what it stands in")
    return data[at], start, start + size


def _value(tag: int, content: bytes) -> VarValue:
    if tag in _NOTHING:
        return None
    if tag == INTEGER or tag in _UNSIGNED:
        if not 0 < len(content) <= _NUMBER_MAX:
            raise Malformed(f"a number of {len(content)} octets")
        return int.from_bytes(content, "big", signed=tag == INTEGER)
    return content


def bind(name: Oid, value: bytes = b"\x05\x00") -> bytes:
    """One variable of a request; `value` is encoded, NULL if it is only asked for."""
    return tlv(SEQUENCE, tlv(OID, name) + value)


def oid(text: str) -> Oid:
    """``"1.3.6.1"`` → its encoding.

    Raises:
        ValueError: not so written, or of fewer than two arcs.
    """
    arcs = [int(arc) for arc in text.strip(".").split(".")]
    if len(arcs) < 2 or min(arcs) < 0 or arcs[0] > 2 or (arcs[0] < 2 and arcs[1] > 39):
        raise ValueError(f"{text!r} is no object identifier")
    return index([40 * arcs[0] + arcs[1], *arcs[2:]])


def index(arcs: Sequence[int]) -> bytes:
    """Arcs as they stand at the end of an object identifier."""
    encoded = bytearray()
    for arc in arcs:
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(0x80 | arc & 0x7F)
        encoded += bytes(reversed(groups))
    return bytes(encoded)


def arcs(encoded: bytes) -> tuple[int, ...]:
    """The opposite of `index`. Raises Malformed if it ends within an arc."""
    result, arc = [], 0
    for octet in encoded:
        arc = arc << 7 | octet & 0x7F
        if octet < 0x80:
            result.append(arc)
            arc = 0
    if encoded and encoded[-1] >= 0x80:
        raise Malformed("an object identifier that ends within an arc")
    return tuple(result)


def dotted(name: Oid) -> str:
    """An object identifier as people write it. Raises Malformed."""
    first, *rest = arcs(name) or (0,)
    top = min(first // 40, 2)
    return ".".join(str(arc) for arc in (top, first - 40 * top, *rest))
