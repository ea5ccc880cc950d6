"""The table: what a row is, what it gives, and how that is judged and written down."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tests.bench import rows as rows_package


class Target(NamedTuple):
    """A bound for a value; `relative` if it counts in multiples of the peer's value."""

    sign: str
    bound: float
    relative: bool = False

    def __str__(self) -> str:
        return f"{self.sign} {self.bound:,g}" + (" × peer" if self.relative else "")

    def met(self, value: float, peer_value: float | None) -> bool:
        """Whether `value` keeps within the bound. A relative one without a peer is not met."""
        if self.relative and peer_value is None:
            return False
        bound = self.bound * (peer_value or 0.0) if self.relative else self.bound
        return value <= bound if self.sign == "≤" else value >= bound


def at_most(bound: float) -> Target:
    """The value must not be larger."""
    return Target("≤", bound)


def at_least(bound: float) -> Target:
    """The value must not be smaller."""
    return Target("≥", bound)


def times_peer(factor: float) -> Target:
    """The value must be at least `factor` times the peer's."""
    return Target("≥", factor, relative=True)


class Figure(NamedTuple):
    """One measured value.

    Args:
        target: what it must reach; None for a figure that only informs.
        peers: who did the same work in the same run, and their values in the same unit.
        note: how it was measured, where that is not plain.
    """

    name: str
    value: float
    unit: str
    target: Target | None = None
    peers: Mapping[str, float] = {}
    note: str = ""

    def objects(self, row_name: str) -> Iterator[dict[str, Any]]:
        """One object for each peer, as `build/bench.json` has them.

        `foreign_cores`, how many cores other programs kept busy, is known when the row has ended.
        """
        peers: list[tuple[str | None, float | None]] = [*self.peers.items()]
        for peer, peer_value in peers or [(None, None)]:
            yield {
                "row": row_name,
                "name": self.name,
                "value": self.value,
                "unit": self.unit,
                "peer": peer,
                "peer_value": peer_value,
                "ratio": self.value / peer_value if peer_value else None,
                "target": str(self.target) if self.target else None,
                "met": self.target.met(self.value, peer_value) if self.target else None,
                "note": self.note,
                "foreign_cores": None,
            }


@dataclass
class Bench:
    """What a row works with.

    Attributes:
        directory: the row's own, empty, on a disk.
        seconds: scales how long steady states are measured; 1 is what the targets are for.
    """

    directory: Path
    seconds: float = 1.0


RowFunction = Callable[[Bench], Iterator[Figure]]

_ROWS: dict[str, RowFunction] = {}


def row(function: RowFunction) -> RowFunction:
    """Register a row under its function's name; its docstring's first line says what it does."""
    _ROWS[function.__name__] = function
    return function


def rows() -> Mapping[str, RowFunction]:
    """All rows, in the order of their files and of their lines."""
    for module in pkgutil.iter_modules(rows_package.__path__, f"{rows_package.__name__}."):
        importlib.import_module(module.name)
    return _ROWS


def summary(objects: Iterable[Mapping[str, Any]]) -> str:
    """How many targets were met, in one line. A figure counts once, however many peers it has."""
    met: dict[str, bool] = {}
    for entry in objects:
        if entry["met"] is not None:
            met[entry["name"]] = met.get(entry["name"], True) and entry["met"]
    missed = [name for name, kept in met.items() if not kept]
    return f"{len(met) - len(missed)} of {len(met)} targets met" + (
        f"; missed: {', '.join(missed)}" if missed else ""
    )
