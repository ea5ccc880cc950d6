"""Devices as recordings: the files of snmpsim, read as an agent that needs no network."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path

from edgeagent.drivers.snmp import ber
from edgeagent.drivers.snmp.ber import Oid, VarBind, VarValue

DEVICES = Path(__file__).parent / "devices"
NAMES = sorted(path.stem for path in DEVICES.glob("*.snmprec"))

Arcs = tuple[int, ...]

_OCTETS, _OID = "4", "6"


def expected(name: str) -> dict[str, str]:
    """What a device's channels say: ``quantity/channel`` -> number, or ``fault:`` and part of the reason."""
    rows = (line.split(" ", 2) for line in (DEVICES / f"{name}.expected").read_text("utf-8").splitlines())
    return {f"{quantity}/{channel}": value for quantity, channel, value in rows}


def arcs(text: str) -> Arcs:
    return tuple(map(int, text.split(".")))


class Recording:
    """Answers as a `Session` with an agent would.

    Attributes:
        cells: what each variable holds; a test changes it as it likes.
        requests: the verbs and the number of variables that were asked for.
        room: so many variables fit into an answer.
    """

    def __init__(self, name: str) -> None:
        self.where = "10.0.0.5:161"
        self.cells = dict(_cells(DEVICES / f"{name}.snmprec"))
        self.requests: list[tuple[str, int]] = []
        self.room = 60

    def get(self, names: Sequence[Oid]) -> list[VarValue]:
        self.requests.append(("get", len(names)))
        return [self.cells.get(arcs(ber.dotted(name))) for name in names]

    def get_next(self, names: Sequence[Oid]) -> list[VarBind]:
        ordered = sorted(self.cells)
        return [self._after(name, ordered) for name in names]

    def get_bulk(self, names: Sequence[Oid], repetitions: int) -> list[VarBind]:
        answer: list[VarBind] = []
        at, ordered = list(names), sorted(self.cells)
        for _ in range(repetitions):
            row = [self._after(name, ordered) for name in at]
            at = [name for name, _ in row]
            answer += row
        answer = answer[: self.room]
        self.requests.append(("get_bulk", len(answer)))
        return answer

    def set(self, name: Oid, value: int) -> None:
        self.cells[arcs(ber.dotted(name))] = value

    def close(self) -> None:
        pass

    def _after(self, name: Oid, ordered: list[Arcs]) -> VarBind:
        place = bisect_right(ordered, arcs(ber.dotted(name)))
        if place == len(ordered):
            return name, None
        following = ordered[place]
        return ber.oid(".".join(map(str, following))), self.cells[following]


def _cells(path: Path) -> Iterator[tuple[Arcs, VarValue]]:
    for line in path.read_text("utf-8").splitlines():
        name, kind, value = line.split("|", 2)
        if kind == _OCTETS:
            yield arcs(name), value.encode()
        else:
            yield arcs(name), ber.oid(value) if kind == _OID else int(value)
