"""Numbers out of registers, in every order, against `struct` and pymodbus."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.client.mixin import ModbusClientMixin

from edgeagent.drivers.modbus.numbers import (
    KINDS,
    Layout,
    Scale,
    bit_unpacker,
    codes,
    converter,
    pack,
    unpacker,
)
from edgeagent_sdk.channel import Fault

NUMERIC = [kind for kind in KINDS if kind != "bit"]
THEIRS = {
    kind: getattr(ModbusClientMixin.DATATYPE, name)
    for kind, name in {
        "u16": "UINT16",
        "i16": "INT16",
        "u32": "UINT32",
        "i32": "INT32",
        "u64": "UINT64",
        "i64": "INT64",
        "f32": "FLOAT32",
        "f64": "FLOAT64",
    }.items()
}


@st.composite
def numbers(draw: st.DrawFn, kind: str) -> float:
    if kind[0] == "f":
        return draw(st.floats(width=int(kind[1:]), allow_nan=False, allow_infinity=False))  # type: ignore[arg-type]
    bits = int(kind[1:])
    return draw(
        st.integers(0, 2**bits - 1)
        if kind[0] == "u"
        else st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    )


@given(data=st.data(), kind=st.sampled_from(NUMERIC), word_order=st.sampled_from(["big", "little"]))
def test_what_pymodbus_makes_of_the_registers(data: st.DataObject, kind: str, word_order: str) -> None:
    number = data.draw(numbers(kind))
    registers = ModbusClientMixin.convert_to_registers(number, THEIRS[kind], word_order=word_order)  # type: ignore[arg-type]
    layout = Layout(0, kind, word_order == "big")
    wire = struct.pack(f">{len(registers)}H", *registers)
    assert pack(number, layout) == wire
    assert list(unpacker([layout])(wire)) == [number]


@given(data=st.data(), kinds=st.lists(st.sampled_from(NUMERIC), min_size=1, max_size=8))
def test_a_read_of_many_in_all_orders_with_gaps(data: st.DataObject, kinds: list[str]) -> None:
    wire, layouts, expected = bytearray(), [], []
    for kind in kinds:
        wire += data.draw(st.binary(max_size=3)) * 2
        number = data.draw(numbers(kind))
        layout = Layout(len(wire), kind, data.draw(st.booleans()), data.draw(st.booleans()))
        wire += pack(number, layout)
        layouts.append(layout)
        expected.append(number)
    assert list(unpacker(layouts)(bytes(wire))) == expected


@given(bits=st.lists(st.booleans(), min_size=1, max_size=30), data=st.data())
def test_bits(bits: list[bool], data: st.DataObject) -> None:
    wire = sum(bit << i for i, bit in enumerate(bits)).to_bytes((len(bits) + 7) // 8, "little")
    offsets = data.draw(st.lists(st.integers(0, len(bits) - 1), min_size=1))
    assert list(bit_unpacker(offsets)(wire)) == [bits[offset] for offset in offsets]


@pytest.mark.parametrize(
    ("factor", "raw", "value"),
    [
        (0.1, 2304, 230.4),
        (0.01, 35, 0.35),
        (1e-3, 7, 0.007),
        (3600.0, 2, 7200.0),
        (0.3, 10, 3.0),
        (-0.1, 3, -0.3),
    ],
)
def test_decimal_scales_are_exact(factor: float, raw: int, value: float) -> None:
    assert converter("u16", factor, 0.0, frozenset())(raw) == value


@given(factor=st.floats(1e-12, 1e12))
def test_a_scale_is_the_factor(factor: float) -> None:
    scale = Scale.of(factor)
    assert math.isclose(scale.multiplier / scale.divisor, factor, rel_tol=1e-11)


@pytest.mark.parametrize(
    ("kind", "listed", "raw", "why"),
    [
        ("u16", [0xFFFF], 0xFFFF, "0xffff"),
        ("i16", [0x8000], -0x8000, "0x8000"),
        ("i16", [0x7FFF], 0x7FFF, "0x7fff"),
        ("i32", [0x8000_0000], -(2**31), "0x80000000"),
        ("u64", [2**64 - 1], 2**64 - 1, "0xffffffffffffffff"),
        ("f32", [], math.nan, "no number"),
        ("f32", [], -math.inf, "no number"),
        ("f32", [0x7F7F_FFFF], struct.unpack(">f", b"\x7f\x7f\xff\xff")[0], "not available"),
        ("f32", [], 2.4e-41, "wrong word_order or type"),
    ],
)
def test_what_is_no_value(kind: str, listed: list[int], raw: float, why: str) -> None:
    value = converter(kind, 1.0, 0.0, codes(kind, listed))(raw)
    assert isinstance(value, Fault) and why in value.reason
