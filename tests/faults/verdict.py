"""Counting every reading produced against every point stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from tests.services import Store


class Verdict(NamedTuple):
    """What became of the readings. The promise is that all but the first two are 0.

    Attributes:
        wrong: points that no device of that node and channel has given.
        disordered: points whose number is lower than that of an earlier time.
        misdated: points whose time is not when the device was asked.
    """

    produced: int = 0
    stored: int = 0
    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    disordered: int = 0
    misdated: int = 0

    @property
    def kept(self) -> bool:
        """Whether the promise was kept."""
        return not any(self[2:])

    def __add__(self, other: object) -> Verdict:
        assert isinstance(other, Verdict)
        return Verdict(*(a + b for a, b in zip(self, other, strict=True)))

    def __str__(self) -> str:
        return "  ".join(f"{name} {value}" for name, value in self._asdict().items())


class Ledger(NamedTuple):
    """What an agent's device noted.

    Attributes:
        taken: the numbers that the agent has certainly taken, and when it asked (nanoseconds UTC).
        offered: those and the ones that it may have got: no loss if missing, no wrong point if there.
    """

    taken: Mapping[int, int]
    offered: Collection[int]


def read_ledger(path: Path) -> Ledger:
    """What is written so far."""
    lines = path.read_text().splitlines() if path.exists() else []
    rows = [(int(number), int(time_ns)) for number, time_ns in map(str.split, lines)]
    taken = {number: time_ns for number, time_ns in rows if time_ns}
    return Ledger(taken, {number + i for number, _ in rows for i in (0, 1)})


def judge(store: Store, node: str, ledgers: Collection[Ledger], channels: int, slack_s: float) -> Verdict:
    """The ledgers of the agents of one name against what the store holds under it.

    Args:
        ledgers: of every agent that ever had the name.
        slack_s: how far a point's time may be from the ledger's.
    """
    where = f"node = '{node}' AND device = 'counter'"
    points: dict[str, _Points] = {f"c{i}": [] for i in range(channels)}
    for row in store.query(f"SELECT value FROM depth WHERE {where} GROUP BY *"):
        if row["channel"] in points:
            points[row["channel"]].append((int(row["time"]), int(row["value"])))
    return sum((_judge_series(p, ledgers, int(slack_s * 1e9)) for p in points.values()), Verdict())


_Points = list[tuple[int, int]]


def _judge_series(points: _Points, ledgers: Collection[Ledger], slack_ns: int) -> Verdict:
    counts = Counter(number for _, number in points)
    taken = {number: time_ns for ledger in ledgers for number, time_ns in ledger.taken.items()}
    offered = {number for ledger in ledgers for number in ledger.offered}
    return Verdict(
        produced=len(taken),
        stored=len(points),
        lost=len(taken.keys() - counts.keys()),
        doubled=sum(count - 1 for count in counts.values()),
        wrong=len(counts.keys() - offered),
        disordered=sum(_inversions([n for _, n in points if n in ledger.offered]) for ledger in ledgers),
        misdated=sum(abs(time_ns - taken.get(n, time_ns)) > slack_ns for time_ns, n in points),
    )


def _inversions(numbers: list[int]) -> int:
    return sum(after < before for before, after in pairwise(numbers))
