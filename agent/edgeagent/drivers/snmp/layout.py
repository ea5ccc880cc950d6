"""Which channels a device has, by its profile and its tables: each with where its number stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from edgeagent.drivers.snmp import ber
from edgeagent.drivers.snmp.ber import Oid, VarValue
from edgeagent.drivers.snmp.profile import Column, Meaning, Profile, Switch, Table
from edgeagent.drivers.snmp.scale import Scale, ratio
from edgeagent.drivers.snmp.session import Session
from edgeagent.drivers.snmp.walk import Cells, Index, at, text, walk
from edgeagent_sdk.channel import Channel
from edgeagent_sdk.errors import DriverError
from edgeagent_sdk.names import slug, unique
from edgeagent_sdk.quantities import quantity

#: No prefix of the SI goes further.
_POWER_MAX = 24

#: RFC 3433, EntitySensorDataScale: the code of 10^0.
_PREFIX_NONE = 9


class Point(NamedTuple):
    """One channel.

    Args:
        value: the instance with its number; `state`, if any, the one that says how its sensor is.
        faults: number in `state` -> what is wrong.
        wraps_at: the counter's value, in the quantity's unit, at which it begins again; None if not known.
        switch: see `Column`; `tail` is the row's index as it stands at the end of each OID.
    """

    channel: Channel
    value: Oid
    scale: Scale
    state: Oid | None
    faults: Mapping[VarValue, str]
    wraps_at: float | None
    switch: Switch | None
    tail: bytes


class Block(NamedTuple):
    """Columns that have the same rows and are wanted whole: they can be read side by side."""

    columns: tuple[Oid, ...]
    rows: tuple[bytes, ...]


class Layout(NamedTuple):
    """What a device has. `sizes`: octets of each wanted instance's value when it was looked at."""

    points: list[Point]
    blocks: list[Block]
    sizes: Mapping[Oid, int]


def survey(session: Session, profile: Profile, tables: Sequence[str]) -> Layout:
    """Learn a device's tables; all of the profile's, or those called `tables`. Raises DriverError."""
    points: list[Point] = []
    blocks: list[Block] = []
    sizes: dict[Oid, int] = {}
    for table in profile.table:
        if not tables or table.name in tables:
            cells = walk(session, list(dict.fromkeys(map(ber.oid, _columns(table)))))
            found = list(_points(table, cells, profile.faults if table.faults is None else table.faults))
            points += found
            blocks += _blocks(found, cells)
            sizes |= _sizes(found, cells)
    return Layout(_named_apart(points), blocks, sizes)


def _columns(table: Table) -> Iterator[str]:
    """Every OID that a table's rows are made of."""
    yield from table.id
    yield from table.numbers
    yield from (oid for oid in (table.label, table.state) if oid)
    if isinstance(table.unit, str):
        yield table.unit
    for column in table.column:
        yield column.oid
        yield from (oid for oid in (column.digits, column.exponent, column.prefix) if oid)
        if column.fahrenheit:
            yield column.fahrenheit[0]
        if column.switch:
            yield column.switch.on.oid
        if column.kind and not column.kind.startswith("index."):
            yield column.kind


def _points(table: Table, cells: Mapping[Oid, Cells], troubles: Mapping[str, str]) -> Iterator[Point]:
    states = cells[ber.oid(table.state)] if table.state else {}
    faults: Mapping[VarValue, str] = {int(code): words for code, words in troubles.items()}
    for column in table.column:
        base = ber.oid(column.oid)
        rows = {index: _meaning(column, cells, index) for index in cells[base]}
        present = [i for i, meaning in rows.items() if meaning and states.get(i) not in table.absent]
        scales = {index: _scale(column, rows[index], cells, index) for index in present}
        if all(scale.lacking(cells[base][index]) for index, scale in scales.items()):
            continue  # this model has no such measurement
        for index in present:
            tail, meaning = ber.index(index), rows[index]
            assert meaning is not None
            channel = Channel(
                _name(table, cells, index), meaning.quantity, description=_label(table, cells, index)
            )
            state = ber.oid(table.state) + tail if table.state and index in states else None
            scale = scales[index]
            wraps_at = column.wraps and column.wraps * scale.factor / scale.divisor
            switch = column.switch
            if switch and index not in cells[ber.oid(switch.on.oid)]:
                switch = None  # it cannot be switched on this model
            yield Point(channel, base + tail, scale, state, faults, wraps_at, switch, tail)


def _meaning(column: Column, cells: Mapping[Oid, Cells], index: Index) -> Meaning | None:
    """What a row's number is; None for one of a kind that is left out."""
    if not column.kind:
        return Meaning(quantity=column.quantity, scale=column.scale)
    if column.kind.startswith("index."):
        place = int(column.kind.removeprefix("index."))
        return column.kinds.get(str(index[place])) if place < len(index) else None
    return column.kinds.get(text(at(cells[ber.oid(column.kind)], index)))


def _scale(column: Column, meaning: Meaning | None, cells: Mapping[Oid, Cells], index: Index) -> Scale:
    assert meaning is not None
    powers = {column.digits: -1, column.exponent: 1, column.prefix: 3}
    exponent = 0
    for oid, power in powers.items():
        if oid:
            number = at(cells[ber.oid(oid)], index)
            if not isinstance(number, int) or abs(number) > _POWER_MAX:
                raise DriverError(f"{oid}: the device says {number!r}, which is no power of ten")
            exponent += power * _power(column, oid, number)
    factor, offset = meaning.scale * 10.0**exponent, 0.0
    if column.fahrenheit and at(cells[ber.oid(column.fahrenheit[0])], index) == column.fahrenheit[1]:
        factor, offset = factor / 1.8, -32 / 1.8
    return Scale(
        *ratio(factor),
        offset,
        {int(code): value for code, value in column.codes.items()},
        frozenset(column.missing),
        column.least,
    )


def _power(column: Column, oid: str, number: int) -> int:
    if oid == column.prefix:
        return number - _PREFIX_NONE
    # By RFC 3433 a precision below 0 tells how many digits are good, and shifts nothing.
    return max(0, number) if oid == column.digits else number


def _name(table: Table, cells: Mapping[Oid, Cells], index: Index) -> str:
    ids = (text(at(cells[ber.oid(oid)], index)) for oid in table.id)
    own = next((own for own in ids if own), "")
    if not own:
        numbers = [at(cells[ber.oid(oid)], index) for oid in table.numbers] or [
            index[place] for place in table.number if place < len(index)
        ]
        own = "-".join(str(number) for number in numbers or index)
    unit: object = table.main
    if isinstance(table.unit, str):
        unit = at(cells[ber.oid(table.unit)], index)
    elif table.unit is not None:
        unit = index[table.unit]
    front = f"unit{unit}-" if unit != table.main else ""
    return slug(f"{front}{own}" if table.bare else f"{front}{table.name}-{own}")


def _label(table: Table, cells: Mapping[Oid, Cells], index: Index) -> str:
    return text(at(cells[ber.oid(table.label)], index)) if table.label else ""


def _blocks(points: Sequence[Point], cells: Mapping[Oid, Cells]) -> Iterator[Block]:
    """The columns that are wanted whole, those with the same rows together."""
    wanted = {name for point in points for name in (point.value, point.state) if name}
    together: dict[tuple[bytes, ...], list[Oid]] = {}
    for column, column_cells in cells.items():
        rows = tuple(ber.index(index) for index in column_cells)
        if rows and all(column + row in wanted for row in rows):
            together.setdefault(rows, []).append(column)
    for rows, columns in together.items():
        yield Block(tuple(columns), rows)


def _sizes(points: Sequence[Point], cells: Mapping[Oid, Cells]) -> dict[Oid, int]:
    wanted = {name for point in points for name in (point.value, point.state) if name}
    return {
        name: len(value) if isinstance(value, bytes) else len(ber.integer(value or 0)) - 1
        for column, column_cells in cells.items()
        for index, value in column_cells.items()
        if (name := column + ber.index(index)) in wanted
    }


def _named_apart(points: Sequence[Point]) -> list[Point]:
    """Points of one quantity with names that differ."""
    result = list(points)
    for name in {point.channel.quantity.name for point in points}:
        places = [i for i, point in enumerate(points) if point.channel.quantity.name == name]
        names = unique([points[i].channel.name for i in places])
        for i, own in zip(places, names, strict=True):
            channel = points[i].channel
            if own != channel.name:
                apart = Channel(own, quantity(name).name, description=channel.description)
                result[i] = points[i]._replace(channel=apart)
    return result
