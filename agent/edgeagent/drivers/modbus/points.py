"""A register map made ready to be read: its points, each with its address on the wire and its meaning."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import NamedTuple

from edgeagent.drivers.counter import WrapCounter
from edgeagent.drivers.modbus.mapkeys import MapFile, Register
from edgeagent.drivers.modbus.numbers import KINDS, Convert, Layout, codes, converter
from edgeagent.drivers.modbus.units import factor
from edgeagent.modbus import pdu
from edgeagent_sdk.channel import Channel
from edgeagent_sdk.quantities import Kind, quantity

FUNCTIONS = {
    "holding": pdu.READ_HOLDING,
    "input": pdu.READ_INPUT,
    "coil": pdu.READ_COILS,
    "discrete": pdu.READ_DISCRETE,
}

#: SunSpec's "not implemented" for a scale factor; ten to such a power is no scale anyway.
_NO_EXPONENT = frozenset({-0x8000})

#: Meters count in steps, and some write them down a minute late: so much may seem to come at once.
_LATE_S = 60.0


class Point(NamedTuple):
    """One number of a device.

    Args:
        function: which function reads it.
        address: on the wire.
        words: how many registers (or bits) it takes.
        channel: what it is shown as; None for the exponent of others.
        exponent: key of the point that it is scaled by, if any.
        step: what one count is, in the channel's unit.
        wraps_at: where its counter begins again, in the channel's unit; None if unknown or no counter.
    """

    key: str
    function: int
    address: int
    words: int
    kind: str
    layout: Layout
    convert: Convert
    channel: Channel | None = None
    exponent: str = ""
    step: float = 1.0
    wraps_at: float | None = None


def points(table: MapFile, selected: Collection[str] = (), *, base: int = 0, prefix: str = "") -> list[Point]:
    """The points of a map.

    Args:
        selected: keep only these, by quantity or quantity/channel; all if empty.
        base: added to every address: where a SunSpec model begins.
        prefix: in front of every channel's name.
    """
    found: dict[str, Point] = {}
    for key, register in table.register.items():
        if selected and key not in selected and key.partition("/")[0] not in selected:
            continue
        point = _point(table, key, register, base, prefix)
        found[point.key] = point
        if register.exponent is not None:
            exponent = _exponent(table, register, base)
            found.setdefault(exponent.key, exponent)
    return list(found.values())


def _point(table: MapFile, key: str, register: Register, base: int, prefix: str) -> Point:
    quantity_name, _, name = key.partition("/")
    space = register.space or table.space
    kind = "bit" if space in ("coil", "discrete") else register.type or table.type
    low, high = table.limits_of(quantity_name, register)
    unit = factor(quantity_name, register.unit) or 1.0
    step = abs(register.scale * unit)
    listed = table.unavailable.get(kind, []) if register.unavailable is None else register.unavailable
    counts = quantity(quantity_name).kind is Kind.COUNTER and kind.startswith("u")
    return Point(
        f"{quantity_name}/{prefix}{name}",
        FUNCTIONS[space],
        base + register.address - table.base,
        KINDS[kind].words,
        kind,
        layout(table, register.word_order, kind),
        converter(kind, register.scale * unit, register.offset * unit, codes(kind, listed)),
        Channel(prefix + name, quantity_name, minimum=low, maximum=high, description=register.description),
        f"exponent {base + register.exponent - table.base} {space}" if register.exponent is not None else "",
        step,
        2.0 ** (16 * KINDS[kind].words) * step if counts else None,
    )


def _exponent(table: MapFile, register: Register, base: int) -> Point:
    space = register.space or table.space
    assert register.exponent is not None
    address = base + register.exponent - table.base
    convert = converter("i16", 1.0, 0.0, _NO_EXPONENT)
    return Point(
        f"exponent {address} {space}",
        FUNCTIONS[space],
        address,
        1,
        "i16",
        layout(table, None, "i16"),
        convert,
    )


def layout(table: MapFile, word_order: str | None, kind: str) -> Layout:
    """How a number of a map is written; `at` is to be set."""
    words = (word_order or table.word_order) == "high-first"
    return Layout(0, kind, words, table.byte_order == "high-first")


def counters(read: Sequence[Point], power_max_w: float) -> dict[str, WrapCounter]:
    """A counter for each of the points that count, by key.

    Args:
        power_max_w: an energy that grows much faster is no energy.
    """
    return {
        point.key: _counter(point, power_max_w)
        for point in read
        if point.channel and point.channel.quantity.kind is Kind.COUNTER
    }


def _counter(point: Point, power_max_w: float) -> WrapCounter:
    assert point.channel
    energy = point.channel.quantity.name == "energy"
    # A scale that is read beside the counter moves the count at which it wraps.
    wraps_at = None if point.exponent else point.wraps_at
    return WrapCounter(wraps_at, _LATE_S * power_max_w + 2 * point.step if energy else math.inf)


class Block(NamedTuple):
    """A run of registers (or bits) that one request reads, and the points in it."""

    function: int
    address: int
    length: int
    points: tuple[Point, ...]


def plan(wanted: Sequence[Point], read_max: int, gap_max: int) -> list[Block]:
    """The fewest reads of `wanted` that read over no gap larger than `gap_max`."""
    blocks: list[Block] = []
    for point in sorted(wanted, key=lambda point: (point.function, point.address)):
        last = blocks[-1] if blocks else None
        end = point.address + point.words
        most = min(read_max, pdu.READ_MAX[point.function]) if point.function > 2 else 2000
        if (
            last
            and last.function == point.function
            and point.address - (last.address + last.length) <= gap_max
            and end - last.address <= most
        ):
            length = max(last.length, end - last.address)
            blocks[-1] = last._replace(length=length, points=(*last.points, point))
        else:
            blocks.append(Block(point.function, point.address, point.words, (point,)))
    return blocks


def split(block: Block) -> list[Block]:
    """Smaller reads of a block that the device refuses: without gaps; of a gapless one, each point alone."""
    parts = plan(block.points, block.length, 0)
    return parts if len(parts) > 1 else [part for p in block.points for part in plan([p], block.length, 0)]
