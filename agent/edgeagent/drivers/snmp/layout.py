"""Which channels a device has, by its profile and its tables: each with where its number stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from edgeagent.drivers.snmp import ber
from edgeagent.drivers.snmp.ber import Oid, VarValue
from edgeagent.drivers.snmp.profile import Column, Meaning, Profile, Switch
from edgeagent.drivers.snmp.rows import Rows
from edgeagent.drivers.snmp.scale import Scale, scale_of
from edgeagent.drivers.snmp.session import Session
from edgeagent.drivers.snmp.walk import Index
from edgeagent_sdk.channel import Channel
from edgeagent_sdk.names import unique


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
            rows = Rows(session, table)
            words = profile.faults if table.faults is None else table.faults
            faults: Mapping[VarValue, str] = {int(code): trouble for code, trouble in words.items()}
            found = [point for column in table.column for point in _points(rows, column, faults)]
            wanted = {name for point in found for name in (point.value, point.state) if name}
            points += found
            blocks += _blocks(rows, wanted)
            sizes |= _sizes(rows, wanted)
    return Layout(_named_apart(points), blocks, sizes)


def _points(rows: Rows, column: Column, faults: Mapping[VarValue, str]) -> list[Point]:
    """The channels of one column; none where this model has no such measurement."""
    states = rows.column(rows.table.state) if rows.table.state else {}
    points, lacking = [], True
    for index, number in rows.column(column.oid).items():
        meaning = rows.meaning(column, index)
        if meaning and states.get(index) not in rows.table.absent:
            point = _point(rows, column, meaning, index, faults)
            points.append(point)
            lacking = lacking and point.scale.lacking(number)
    return [] if lacking else points


def _point(
    rows: Rows, column: Column, meaning: Meaning, index: Index, faults: Mapping[VarValue, str]
) -> Point:
    tail = ber.index(index)
    scale = scale_of(rows, column, meaning, index)
    state, switch = rows.table.state, column.switch
    return Point(
        Channel(rows.name(index), meaning.quantity, description=rows.label(index)),
        ber.oid(column.oid) + tail,
        scale,
        ber.oid(state) + tail if state and index in rows.column(state) else None,
        faults,
        column.wraps and column.wraps * scale.factor / scale.divisor,
        # A model that cannot switch has no such instance.
        switch if switch and index in rows.column(switch.on.oid) else None,
        tail,
    )


def _blocks(rows: Rows, wanted: set[Oid]) -> Iterator[Block]:
    """The columns that are wanted whole, those with the same rows together."""
    together: dict[tuple[bytes, ...], list[Oid]] = {}
    for column, cells in rows.cells.items():
        tails = tuple(ber.index(index) for index in cells)
        if tails and all(column + tail in wanted for tail in tails):
            together.setdefault(tails, []).append(column)
    for tails, columns in together.items():
        yield Block(tuple(columns), tails)


def _sizes(rows: Rows, wanted: set[Oid]) -> dict[Oid, int]:
    """Octets of each wanted value now."""
    return {
        name: len(value) if isinstance(value, bytes) else len(ber.integer(value or 0)) - 1
        for column, cells in rows.cells.items()
        for index, value in cells.items()
        if (name := column + ber.index(index)) in wanted
    }


def _named_apart(points: Sequence[Point]) -> list[Point]:
    """Points of one quantity with names that differ."""
    result = list(points)
    for quantity in {point.channel.quantity.name for point in points}:
        places = [i for i, point in enumerate(points) if point.channel.quantity.name == quantity]
        names = unique([points[i].channel.name for i in places])
        for i, name in zip(places, names, strict=True):
            channel = Channel(name, quantity, description=points[i].channel.description)
            result[i] = points[i]._replace(channel=channel)
    return result
