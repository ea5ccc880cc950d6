"""Whole columns, side by side: how a device's tables are learned when it is opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgeagent.drivers.snmp import ber
from edgeagent.drivers.snmp.ber import Oid, VarValue
from edgeagent.drivers.snmp.session import Session, TooBig
from edgeagent_sdk.errors import DriverError

Index = tuple[int, ...]

Cells = dict[Index, VarValue]
"""A column's instances, in the order of their indexes. A scalar is a column with the index ``(0,)``."""

#: No device of any kind that is read here has so many rows; one that goes round in circles does.
_ROWS_MAX = 8192

#: Repetitions of one GETBULK: rows with texts fill a datagram about so soon.
_REPETITIONS = 64

#: Columns of one GETBULK.
_ABREAST = 8


def walk(session: Session, columns: Sequence[Oid]) -> Mapping[Oid, Cells]:
    """Every instance under each of `columns`, and nothing else. Raises DriverError."""
    cells: dict[Oid, Cells] = {column: {} for column in columns}
    for at in range(0, len(columns), _ABREAST):
        _walk_abreast(session, {column: cells[column] for column in columns[at : at + _ABREAST]})
    return cells


def _walk_abreast(session: Session, cells: Mapping[Oid, Cells]) -> None:
    reached = {column: column for column in cells}
    repetitions = max(1, _REPETITIONS // len(cells))
    while reached:
        try:
            answer = session.get_bulk(list(reached.values()), repetitions)
        except TooBig:
            if repetitions == 1:
                raise
            repetitions //= 2
            continue
        if not answer:
            raise DriverError(f"{session.where} answers a GETBULK with nothing; is it an SNMP v1 agent?")
        abreast = list(reached)
        for place, (name, value) in enumerate(answer):
            column = abreast[place % len(abreast)]
            if column in reached:
                if value is None or not name.startswith(column):
                    del reached[column]
                else:
                    _add(session, cells[column], ber.arcs(name[len(column) :]), value)
                    reached[column] = name


def _add(session: Session, cells: Cells, index: Index, value: VarValue) -> None:
    if cells and index <= next(reversed(cells)):
        raise DriverError(
            f"{session.where} goes round in circles in one of its tables", "update its firmware"
        )
    if len(cells) == _ROWS_MAX:
        raise DriverError(f"{session.where}: a table has more than {_ROWS_MAX} rows")
    cells[index] = value


def text(value: VarValue) -> str:
    """A cell as text."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").strip("\0 ")
    return "" if value is None else str(value)
