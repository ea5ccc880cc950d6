"""One pass over a device: only what is wanted, in as few requests as its answers' size allows.

Columns that are wanted whole come side by side by GETBULK, which also shows rows that are new. What is
wanted of some rows only, or of few, comes by name, many variables a request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from edgeagent.drivers.snmp import ber
from edgeagent.drivers.snmp.ber import Oid, VarValue
from edgeagent.drivers.snmp.layout import Block
from edgeagent.drivers.snmp.session import Session
from edgeagent_sdk.errors import DriverError

#: Fewer rows are cheaper by name, together with others, than by a request of their own.
_ROWS_MIN = 8

#: What an answer has round its variables: the message, the security's part, and the PDU.
_AROUND = 70

#: What a variable has round its name and its value.
_AROUND_ONE = 4


class Changed(DriverError):
    """The device no longer has the rows that it had."""

    def __init__(self, where: str) -> None:
        super().__init__(f"{where}: rows of its tables have come or gone; they are learned anew", retry_s=0.1)


class _Part(NamedTuple):
    """One request or several; `names` in the order of the values that `read` gives."""

    names: Sequence[Oid]
    read: Callable[[Session], list[VarValue]]


class Reader:
    """Reads what is wanted.

    Args:
        names: the wanted instances.
        blocks: the columns that may be read whole.
        sizes: octets of each instance's value, as far as they are known.
        answer_bytes: an answer should not be larger.
    """

    def __init__(
        self, names: Sequence[Oid], blocks: Sequence[Block], sizes: Mapping[Oid, int], answer_bytes: int
    ) -> None:
        room = answer_bytes - _AROUND
        whole = [block for block in blocks if len(block.rows) >= _ROWS_MIN]
        by_block = {column + row for block in whole for column in block.columns for row in block.rows}
        picked = [name for name in dict.fromkeys(names) if name not in by_block]
        self._parts = [_by_name(some) for some in _batches(picked, sizes, room)]
        self._parts += [_side_by_side(block, sizes, room) for block in whole]
        places = {name: i for i, name in enumerate(n for part in self._parts for n in part.names)}
        self._order = [places[name] for name in names]

    def read(self, session: Session) -> list[VarValue]:
        """The instances' values, in the order of `names`.

        Raises:
            Changed: rows have come or gone.
            DriverError: the device does not answer, or refuses.
        """
        values: list[VarValue] = []
        for part in self._parts:
            values += part.read(session)
        return [values[place] for place in self._order]


def _batches(names: Sequence[Oid], sizes: Mapping[Oid, int], room: int) -> Iterator[list[Oid]]:
    batch: list[Oid] = []
    used = 0
    for name in names:
        size = len(name) + sizes.get(name, 8) + _AROUND_ONE
        if batch and used + size > room:
            yield batch
            batch, used = [], 0
        batch.append(name)
        used += size
    if batch:
        yield batch


def _by_name(names: Sequence[Oid]) -> _Part:
    def read(session: Session) -> list[VarValue]:
        values = session.get(names)
        if None in values:
            raise Changed(session.where)
        return values

    return _Part(names, read)


def _side_by_side(block: Block, sizes: Mapping[Oid, int], room: int) -> _Part:
    columns, rows = block
    width = len(columns)
    names = [column + row for row in rows for column in columns]
    row_size = max(
        sum(len(column) + len(row) + sizes.get(column + row, 8) + _AROUND_ONE for column in columns)
        for row in rows
    )
    window = max(1, room // row_size)

    def read(session: Session) -> list[VarValue]:
        values: list[VarValue] = []
        done = 0
        # One row more than there are: it must be none of these columns'.
        while done <= len(rows):
            before = rows[done - 1] if done else b""
            answer = session.get_bulk(
                [column + before for column in columns], min(window, len(rows) + 1 - done)
            )
            # What did not fit is left out by the agent, even in the middle of a row.
            come = len(answer) // width
            real = min(come, len(rows) - done) * width
            expected = names[done * width : done * width + real]
            beyond = answer[real : come * width]
            if not come or [name for name, _ in answer[:real]] != expected or _goes_on(columns, beyond):
                raise Changed(session.where)
            values += [value for _, value in answer[:real]]
            done += come
        return values

    return _Part(names, read)


def _goes_on(columns: Sequence[Oid], beyond: Sequence[ber.VarBind]) -> bool:
    """Whether a row follows the last."""
    return any(
        value is not None and name.startswith(column)
        for column, (name, value) in zip(columns, beyond, strict=False)
    )
