"""The sensor node's register map: it is consistent, and what is packed reads back."""

from __future__ import annotations

import struct
from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeagent_sdk import nodemap
from edgeagent_sdk.names import check_name
from edgeagent_sdk.nodemap import BLOCKS, CHANNELS, OUTPUTS, Block, Field
from edgeagent_sdk.quantities import QUANTITIES

_LIMITS = {
    "u16": (0, 2**16 - 1),
    "i16": (-(2**15), 2**15 - 1),
    "u32": (0, 2**32 - 1),
    "i32": (-(2**31), 2**31 - 1),
    "u64": (0, 2**64 - 1),
}
_INPUT = [block for block in BLOCKS if block.space == "input"]
_HOLDING = [block for block in BLOCKS if block.space == "holding"]
_FIELDS = [(block, field) for block in BLOCKS for field in block.fields]


def _name(value: object) -> str | None:
    return value.name if isinstance(value, Block | Field) else None


@pytest.mark.parametrize("block", BLOCKS, ids=_name)
class TestBlock:
    def test_one_request_reads_it(self, block: Block) -> None:
        assert 1 <= block.words <= 125
        assert block.address + block.words <= 0x10000

    def test_fields_follow_one_another(self, block: Block) -> None:
        assert block.offsets[block.fields[0].name] == 0
        for before, after in pairwise(block.fields):
            assert block.offsets[after.name] == block.offsets[before.name] + before.words
        assert block.words == block.offsets[block.fields[-1].name] + block.fields[-1].words

    def test_names_differ(self, block: Block) -> None:
        assert len({field.name for field in block.fields}) == len(block.fields)
        assert all(field.name.isidentifier() and field.name == field.name.lower() for field in block.fields)

    def test_a_field_is_found(self, block: Block) -> None:
        for field in block.fields:
            assert block.field(field.name) is field
            assert block.at(field.name) == block.address + block.offsets[field.name]

    def test_an_unknown_field_is_not(self, block: Block) -> None:
        with pytest.raises(KeyError, match="no field"):
            block.field("nothing")
        with pytest.raises(KeyError):
            block.at("nothing")

    def test_another_length_is_refused(self, block: Block) -> None:
        for length in (0, 2 * block.words - 2, 2 * block.words + 2):
            with pytest.raises(struct.error):
                block.unpack(bytes(length))

    def test_a_missing_value_is_refused(self, block: Block) -> None:
        with pytest.raises(KeyError):
            block.pack({field.name: 0 for field in block.fields[1:]})


@st.composite
def _packed(draw: st.DrawFn) -> tuple[Block, dict[str, int]]:
    block = draw(st.sampled_from(BLOCKS))
    return block, {field.name: draw(st.integers(*_LIMITS[field.kind])) for field in block.fields}


@given(_packed())
def test_what_is_packed_reads_back(packed: tuple[Block, dict[str, int]]) -> None:
    block, values = packed
    data = block.pack(values)
    assert len(data) == 2 * block.words
    assert block.unpack(data) == values
    for field in block.fields:  # big-endian, the high word first
        at = 2 * block.offsets[field.name]
        bits = values[field.name] % 2 ** (16 * field.words)
        assert data[at : at + 2 * field.words] == bits.to_bytes(2 * field.words, "big")


@pytest.mark.parametrize("kind", _LIMITS)
def test_what_does_not_fit_is_refused(kind: str) -> None:
    block, field = next((block, field) for block, field in _FIELDS if field.kind == kind)
    zeros = {other.name: 0 for other in block.fields}
    for value in (_LIMITS[kind][0] - 1, _LIMITS[kind][1] + 1):
        with pytest.raises(struct.error):
            block.pack(zeros | {field.name: value})


@pytest.mark.parametrize("space", [_INPUT, _HOLDING], ids=["input", "holding"])
def test_blocks_do_not_overlap(space: list[Block]) -> None:
    for first, second in combinations(sorted(space, key=lambda block: block.address), 2):
        assert first.address + first.words <= second.address
    assert {block.name for block in _INPUT}.isdisjoint(block.name for block in _HOLDING)


def test_every_input_block_begins_with_a_head_of_its_own() -> None:
    heads = [[(field.name, field.kind) for field in block.fields[:3]] for block in _INPUT]
    assert heads == [[("block", "u16"), ("sequence", "u32"), ("uptime_ms", "u64")]] * len(_INPUT)
    assert len({block.fields[0].meaning for block in _INPUT}) == len(_INPUT)


@pytest.mark.parametrize(("block", "field"), [pair for pair in _FIELDS if pair[0] in _HOLDING], ids=_name)
def test_what_may_be_written_fits(block: Block, field: Field) -> None:
    low, high = _LIMITS[field.kind]
    assert low <= field.minimum <= field.default <= field.maximum <= high
    assert field.minimum < field.maximum


def test_channels_are_of_the_wire() -> None:
    for channel in CHANNELS:
        assert channel.quantity in QUANTITIES
        check_name(channel.name, "channel")
        assert channel.scale > 0
    assert len({(channel.quantity, channel.name) for channel in CHANNELS}) == len(CHANNELS)
    assert len(CHANNELS) <= 32  # bits of `valid`


def test_telemetry_shows_every_channel_and_output() -> None:
    names = list(nodemap.TELEMETRY.offsets)
    for channel in CHANNELS:
        assert nodemap.TELEMETRY.field(f"{channel.quantity}_{channel.name}").kind == "i32"
    for prefix in ("output", "source", "lease"):
        first = names.index(f"{prefix}_{OUTPUTS[0].name}")
        assert names[first : first + len(OUTPUTS)] == [f"{prefix}_{output.name}" for output in OUTPUTS]


def test_a_setpoint_has_a_lease_of_its_own() -> None:
    names = [name for output in OUTPUTS for name in (output.name, f"{output.name}_lease_ms")]
    assert list(nodemap.SETPOINTS.offsets) == names
    for output in OUTPUTS:
        assert nodemap.SETPOINTS.field(output.name).maximum == output.maximum
        assert nodemap.SETPOINTS.field(f"{output.name}_lease_ms").maximum == nodemap.LEASE_MAX_MS


def test_no_value_is_none_that_a_channel_has() -> None:
    assert _LIMITS["i32"][0] == nodemap.NO_VALUE


def test_keys_and_orders_differ() -> None:
    keys = {nodemap.KEY_CONTROL, nodemap.KEY_CONFIG, nodemap.RESET_PLAIN, nodemap.RESET_TO_BOOT, 0}
    assert len(keys) == 5
