"""The line protocol codec: what is written reads back, and only the canonical form is read."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeagent_sdk.channel import Reading
from edgeagent_sdk.errors import WireError
from edgeagent_sdk.lineproto import (
    TIME_MAX_NS,
    decode_line,
    encode,
    encode_readings,
    head,
    keep_last,
    shift,
)
from edgeagent_sdk.names import NAME_PATTERN, Identity
from edgeagent_sdk.quantities import QUANTITIES

LINE = "power,channel=in,device=psu0,node=n1,site=s1 value=412.5 1780000000000000000"

_NAMES = st.from_regex(rf"\A{NAME_PATTERN}\Z")
READINGS = st.builds(
    Reading,
    quantity=st.sampled_from(sorted(QUANTITIES)),
    channel=_NAMES,
    device=_NAMES,
    node=_NAMES,
    site=_NAMES,
    value=st.floats(allow_nan=False, allow_infinity=False),
    time_ns=st.integers(-TIME_MAX_NS, TIME_MAX_NS),
)


def test_the_line_of_the_design() -> None:
    reading = Reading("power", "in", "psu0", "n1", "s1", 412.5, 1780000000000000000)
    assert encode_readings([reading]) == f"{LINE}\n"
    assert decode_line(LINE.encode()) == reading


@given(st.lists(READINGS, max_size=5))
def test_every_reading_reads_back_exactly(readings: list[Reading]) -> None:
    lines = encode_readings(readings).encode().splitlines()
    assert [decode_line(line) for line in lines] == readings


@given(st.lists(st.floats(), max_size=6), st.integers(0, TIME_MAX_NS))
def test_what_is_not_finite_is_left_out(values: list[float], time_ns: int) -> None:
    heads = [head("power", f"c{i}", "d", Identity("s", "n")) for i in range(len(values))]
    found = {
        r.channel: r.value for r in map(decode_line, encode(heads, values, time_ns).encode().splitlines())
    }
    assert found == {f"c{i}": value for i, value in enumerate(values) if math.isfinite(value)}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (LINE.replace(" value", "  value"), "two blanks"),
        (LINE + " ", "two blanks"),
        (LINE.replace("power", "powr"), "unknown quantity 'powr'"),
        (LINE.replace("power", "Power"), "not <quantity>"),
        (LINE.replace("channel=in,device=psu0", "device=psu0,channel=in"), "not <quantity>"),
        (LINE.replace("node=n1", "node=N1"), "not <quantity>"),
        (LINE.replace(",site=s1", ""), "not <quantity>"),
        (LINE.replace(",site=s1", ",site=s1,rack=r1"), "not <quantity>"),
        (LINE.replace("psu0", "a" * 64), "not <quantity>"),
        (LINE.replace("412.5", "nan"), "not value="),
        (LINE.replace("412.5", "inf"), "not value="),
        (LINE.replace("412.5", "1e999"), "does not fit a double"),
        (LINE.replace("412.5", "412i"), "not value="),
        (LINE.replace("412.5", "0x1p3"), "not value="),
        (LINE.replace("412.5", "4_1"), "not value="),
        (LINE.replace("412.5", "\u0664"), "not value="),
        (LINE.replace("value=412.5", "value=1,other=2"), "not value="),
        (LINE.replace("1780000000000000000", "1.5"), "time stamp"),
        (LINE.replace("1780000000000000000", "9" * 19), "time stamp"),
        (LINE.replace("1780000000000000000", ""), "time stamp"),
        ("", "two blanks"),
    ],
)
def test_only_the_canonical_form_is_read(line: str, reason: str) -> None:
    with pytest.raises(WireError, match=reason):
        decode_line(line.encode())


@given(st.binary(max_size=120))
def test_no_bytes_do_anything_but_read_or_refuse(data: bytes) -> None:
    try:
        decode_line(data)
    except WireError:
        pass


@given(st.lists(READINGS, max_size=5), st.integers(-(10**18), 10**18), st.integers(0, TIME_MAX_NS))
def test_shift_moves_only_what_is_earlier(readings: list[Reading], by_ns: int, before_ns: int) -> None:
    readings = [r._replace(time_ns=abs(r.time_ns) // 2) for r in readings]
    moved = [r._replace(time_ns=r.time_ns + by_ns) if r.time_ns < before_ns else r for r in readings]
    assert shift(encode_readings(readings), by_ns, before_ns) == encode_readings(moved)


def test_keep_last_keeps_the_last_of_each_series() -> None:
    lines = ["a value=1 1\n", "b value=2 1\n", "a value=3 2\n"]
    assert sorted(keep_last(lines)) == ["a value=3 2\n", "b value=2 1\n"]
