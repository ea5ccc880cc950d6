"""The datagrams of hints: what is encoded is decoded, and nothing else is."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeagent_sdk.hintrecord import MAX_BYTES, Kind, Record, Target, decode, encoder
from edgeagent_sdk.names import NAME_PATTERN

_NAMES = st.from_regex(NAME_PATTERN, fullmatch=True)
_TARGETS = st.builds(
    Target,
    name=_NAMES,
    deadline_s=st.floats(1e-6, 86_400.0),
    misses=st.floats(0.0, 0.999),
    domains=st.lists(_NAMES, max_size=8).map(tuple),
)
_GAPS_NS = st.integers(0, 40_000 * 10**9)


@st.composite
def _records(draw: st.DrawFn) -> Record:
    kind = draw(st.sampled_from(Kind))
    arrived_ns = draw(st.integers(0, 2**62))
    began_ns = arrived_ns + draw(_GAPS_NS)
    ended_ns = began_ns + draw(_GAPS_NS)
    told = {Kind.ARRIVED: 1, Kind.BEGAN: 2, Kind.DONE: 3, Kind.DROPPED: 1, Kind.CLOSED: 0}[kind]
    arrived_ns, began_ns, ended_ns = (
        time_ns if place < told else 0 for place, time_ns in enumerate((arrived_ns, began_ns, ended_ns))
    )
    session, unit, open_ = draw(
        st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**63), st.integers(0, 2**32 - 1))
    )
    return Record(kind, session, unit, open_, arrived_ns, began_ns, ended_ns, draw(_TARGETS))


def _encode(record: Record) -> bytes:
    return encoder(record.target)(*record[:-1])


@given(_records())
def test_what_is_encoded_is_decoded(record: Record) -> None:
    datagram = _encode(record)
    assert len(datagram) <= MAX_BYTES
    assert decode(datagram) == record


@given(st.binary(max_size=MAX_BYTES + 10))
def test_noise_is_no_record(noise: bytes) -> None:
    with pytest.raises(ValueError):
        decode(noise)


@given(_records(), st.data())
def test_a_damaged_record_is_refused_or_is_one(record: Record, data: st.DataObject) -> None:
    datagram = bytearray(_encode(record))
    at = data.draw(st.integers(0, len(datagram) - 1))
    datagram[at] ^= data.draw(st.integers(1, 255))
    try:
        found = decode(bytes(datagram[: data.draw(st.integers(0, len(datagram)))]))
    except ValueError:
        return
    assert decode(_encode(found)) == found


@pytest.mark.parametrize(
    ("target", "why"),
    [
        (Target("Camera", 0.03, 0.01, ()), "'camera' would do"),
        (Target("camera", 0.0, 0.01, ()), "deadline"),
        (Target("camera", float("nan"), 0.01, ()), "deadline"),
        (Target("camera", 0.03, 1.0, ()), "misses"),
        (Target("camera", 0.03, 0.01, ("big core",)), "'big-core' would do"),
        (Target("camera", 0.03, 0.01, ("big",) * 9), "8 at most"),
    ],
)
def test_what_cannot_be_a_target_is_refused(target: Target, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        encoder(target)


@pytest.mark.parametrize(
    ("times_ns", "kind"),
    [
        ((-1, 0, 0), Kind.ARRIVED),
        ((5, 4, 0), Kind.BEGAN),
        ((5, 6, 4), Kind.DONE),
        ((5, 6, 0), Kind.DONE),
        ((5, 6, 0), Kind.ARRIVED),
        ((0, 0, 86_401 * 10**9), Kind.DONE),
        ((5, 0, 0), Kind.CLOSED),
    ],
)
def test_a_unit_arrives_begins_and_ends_in_this_order(times_ns: tuple[int, int, int], kind: Kind) -> None:
    with pytest.raises(ValueError, match="in this order"):
        decode(encoder(Target("camera", 0.03, 0.01, ()))(kind, 1, 1, 0, *times_ns))


def test_a_kind_of_later_is_refused() -> None:
    datagram = bytearray(_encode(Record(Kind.ARRIVED, 1, 1, 1, 5, 0, 0, Target("camera", 0.03, 0.01, ()))))
    struct.pack_into("B", datagram, 4, 6)
    with pytest.raises(ValueError, match="6"):
        decode(bytes(datagram))
