"""Batches: a header that reads back, and one that refuses what is none."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeagent_sdk import batch as module
from edgeagent_sdk.batch import Header, decode_batch, decode_header, encode_header
from edgeagent_sdk.errors import WireError
from edgeagent_sdk.lineproto import TIME_MAX_NS, encode_readings
from edgeagent_sdk.names import NAME_PATTERN, Identity

from .test_lineproto import LINE, READINGS

HEADER = 'edgeagent_batch,node=n1,site=s1 boot="b",seq=42i,readings=180i,clock="synced" 1780000000000000000'

_NAMES = st.from_regex(rf"\A{NAME_PATTERN}\Z")
_COUNTS = st.integers(0, 10**17)
HEADERS = st.builds(
    Header,
    identity=st.builds(Identity, _NAMES, _NAMES),
    boot=st.from_regex(r"\A[0-9a-f]{1,32}\Z"),
    seq=_COUNTS,
    readings=_COUNTS,
    clock=st.sampled_from(["synced", "unsynced", "stepped"]),
    time_ns=st.integers(0, TIME_MAX_NS),
    instance=st.from_regex(r"\A[0-9a-f]{0,32}\Z"),
    thinned=_COUNTS,
).flatmap(lambda header: st.integers(0, header.seq).map(lambda merged: header._replace(merged=merged)))


def test_the_header_of_the_design() -> None:
    header = Header(Identity("s1", "n1"), "b", 42, 180, "synced", 1780000000000000000)
    assert encode_header(header) == f"{HEADER}\n"
    assert decode_header(HEADER.encode()) == header


@given(HEADERS)
def test_every_header_reads_back(header: Header) -> None:
    assert decode_header(encode_header(header).encode().removesuffix(b"\n")) == header


def outcome(read: Callable[[bytes], Header | None], line: bytes) -> Header | str | None:
    try:
        return read(line)
    except WireError as error:
        return str(error)


@given(HEADERS, st.integers(0, 300), st.sampled_from(["", "x", "0", "-", '"', ",", "=", "٣", "i", "\n", " "]))
def test_the_quick_way_and_the_patient_one_agree(header: Header, at: int, scrap: str) -> None:
    """Whatever a header's usual form gives, its fields one by one give too."""
    text = encode_header(header).removesuffix("\n")
    for damaged in (text[:at] + scrap + text[at:], text[:at] + scrap + text[at + 1 :]):
        quick = outcome(module._usual, damaged.encode())
        if quick is not None:
            assert quick == outcome(module._any_order, damaged.encode())


def test_unknown_fields_of_a_newer_sender_are_passed_over() -> None:
    newer = HEADER.replace(",clock", ',mood="good",size=3i,share=0.5,clock')
    assert decode_header(newer.encode()) == decode_header(HEADER.encode())


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (LINE, "not a header"),
        ("", "not a header"),
        (HEADER.replace("node=n1,site=s1", "site=s1,node=n1"), "not a header"),
        (HEADER.replace("node=n1", "node=N"), "not a header"),
        (HEADER.replace('boot="b",', ""), "lacks 'boot'"),
        (HEADER.replace("seq=42i,", ""), "lacks 'seq'"),
        (HEADER.replace("seq=42i", 'seq="x"'), "not a whole number"),
        (HEADER.replace("seq=42i", "seq=4.5"), "not a whole number"),
        (HEADER.replace("seq=42i", "seq=42i,,"), "not line protocol"),
        (HEADER.replace("seq=42i", "seq=yes"), "not line protocol"),
        (HEADER.replace('"synced"', '"syn'), "not line protocol"),
        (HEADER.replace("1780000000000000000", "9" * 19), "time stamp"),
        (HEADER.replace("seq=42i", "seq=-1i"), "cannot be"),
        (HEADER.replace("readings=180i", "readings=-1i"), "cannot be"),
        (HEADER.replace("seq=42i", "seq=42i,merged=43i"), "cannot be"),
        (HEADER.replace("seq=42i", "seq=42i,merged=-1i"), "cannot be"),
    ],
)
def test_what_is_no_header_is_refused(line: str, reason: str) -> None:
    with pytest.raises(WireError, match=reason):
        decode_header(line.encode())


@given(HEADERS, st.lists(READINGS, max_size=4))
def test_a_batch_reads_back(header: Header, readings: list[object]) -> None:
    payload = encode_header(header) + encode_readings(readings)  # type: ignore[arg-type]
    assert decode_batch(payload.encode()) == (header, readings)


@given(st.binary(max_size=200))
def test_no_bytes_do_anything_but_read_or_refuse(data: bytes) -> None:
    for payload in (data, HEADER.encode() + b"\n" + data):
        try:
            decode_batch(payload)
        except WireError:
            pass
