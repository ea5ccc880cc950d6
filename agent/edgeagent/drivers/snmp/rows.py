"""A table's rows as a device has them: what they are called, and what their numbers are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from edgeagent.drivers.snmp import ber
from edgeagent.drivers.snmp.ber import Oid, VarValue
from edgeagent.drivers.snmp.profile import Column, Meaning, Table
from edgeagent.drivers.snmp.session import Session
from edgeagent.drivers.snmp.walk import Cells, Index, text, walk
from edgeagent_sdk.names import slug

_IN_INDEX = "index."


class Rows:
    """One table, walked once.

    Attributes:
        cells: every column that the table is made of.
    """

    def __init__(self, session: Session, table: Table) -> None:
        self.table = table
        self.cells: Mapping[Oid, Cells] = walk(session, list(dict.fromkeys(map(ber.oid, _oids(table)))))

    def column(self, oid: str) -> Cells:
        """The instances of a column."""
        return self.cells[ber.oid(oid)]

    def cell(self, oid: str, index: Index) -> VarValue:
        """The instance that a row belongs to: of its index, of the front part of it, or the only one."""
        column = self.column(oid)
        for length in range(len(index), 0, -1):
            if index[:length] in column:
                return column[index[:length]]
        return column.get((0,))

    def meaning(self, column: Column, index: Index) -> Meaning | None:
        """What a row's number is; None for one of a kind that is left out."""
        if not column.kind:
            return Meaning(quantity=column.quantity, scale=column.scale)
        if column.kind.startswith(_IN_INDEX):
            return column.kinds.get(_part(index, int(column.kind.removeprefix(_IN_INDEX))))
        return column.kinds.get(text(self.cell(column.kind, self._owner(index))))

    def name(self, index: Index) -> str:
        """The row's channel name, e.g. ``outlet-3``."""
        table = self.table
        own = self._own_name(index)
        unit = str(table.main)
        if isinstance(table.unit, str):
            unit = text(self.cell(table.unit, index))
        elif table.unit is not None:
            unit = _part(index, table.unit)
        front = "" if unit == str(table.main) else f"unit{unit}-"
        return slug(f"{front}{own}" if table.bare else f"{front}{table.name}-{own}")

    def label(self, index: Index) -> str:
        """What the user calls the row; empty if nothing."""
        return text(self.cell(self.table.label, self._owner(index))) if self.table.label else ""

    def _owner(self, index: Index) -> Index:
        """The index by which the row is known elsewhere, see `Table.through`; mostly its own."""
        others = self.column(self.table.through) if self.table.through else ()
        return next((other for other in others if other[-1] == index[0]), index)

    def _own_name(self, index: Index) -> str:
        table = self.table
        for oid in table.id:
            if own := text(self.cell(oid, self._owner(index))):
                return own
        numbers = [text(self.cell(oid, index)) for oid in table.numbers]
        numbers += [_part(index, place) for place in table.number]
        return "-".join(numbers or map(str, index))


def _part(index: Index, place: int) -> str:
    return str(index[place]) if place < len(index) else ""


def _oids(table: Table) -> Iterator[str]:
    """Every column that a table's rows are made of."""
    yield from table.id
    yield from table.numbers
    yield from (oid for oid in (table.label, table.state, table.through) if oid)
    if isinstance(table.unit, str):
        yield table.unit
    for column in table.column:
        yield column.oid
        yield from (oid for oid in (column.digits, column.exponent, column.prefix) if oid)
        if column.fahrenheit:
            yield column.fahrenheit[0]
        if column.switch:
            yield column.switch.on.oid
        if column.kind and not column.kind.startswith(_IN_INDEX):
            yield column.kind
