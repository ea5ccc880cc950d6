"""Reads: as few as the device takes, over no gap that is too large."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from edgeagent.drivers.modbus.numbers import Layout, converter
from edgeagent.drivers.modbus.points import Point, plan, split
from edgeagent.modbus import pdu

_CONVERT = converter("u16", 1.0, 0.0, frozenset())


@st.composite
def wanted(draw: st.DrawFn) -> list[Point]:
    """Points that do not overlap, in any order."""
    found: list[Point] = []
    address = 0
    for i in range(draw(st.integers(1, 12))):
        address += draw(st.integers(0, 300))
        words = draw(st.sampled_from([1, 2, 4]))
        function = draw(st.sampled_from([pdu.READ_HOLDING, pdu.READ_INPUT]))
        found.append(Point(f"p{i}", function, address, words, "u16", Layout(0, "u16"), _CONVERT))
        address += words
    return draw(st.permutations(found))


@given(points=wanted(), read_max=st.integers(4, 125), gap_max=st.integers(0, 200))
def test_every_point_is_read_once_within_the_limits(points: list[Point], read_max: int, gap_max: int) -> None:
    blocks = plan(points, read_max, gap_max)
    assert sorted(p.key for block in blocks for p in block.points) == sorted(p.key for p in points)
    for block in blocks:
        assert 1 <= block.length <= read_max
        ends = [block.address, *(p.address + p.words for p in block.points)]
        assert all(p.function == block.function for p in block.points)
        assert all(0 <= p.address - end <= gap_max for end, p in zip(ends, block.points, strict=False))
        assert ends[-1] == block.address + block.length
    for one, other in pairwise(blocks):
        if one.function == other.function:
            joined = other.address + other.length - one.address
            assert (
                other.address - one.address - one.length > gap_max
                or joined > read_max
                or (other.points[0].address + other.points[0].words - one.address > read_max)
            )


@given(points=wanted())
def test_a_refused_read_is_split_until_each_point_stands_alone(points: list[Point]) -> None:
    blocks, rounds = plan(points, 125, 125), 0
    while any(len(block.points) > 1 for block in blocks):
        blocks = [part for b in blocks for part in (split(b) if len(b.points) > 1 else [b])]
        rounds += 1
    assert rounds <= 2 and sorted(b.points[0].key for b in blocks) == sorted(p.key for p in points)
    assert all(block.length == block.points[0].words for block in blocks)
