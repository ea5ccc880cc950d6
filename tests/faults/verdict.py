"""Counting every reading produced against every point stored."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from tests.services import Store


class Verdict(NamedTuple):
    """What became of the readings; the promise is that the last four are 0."""

    produced: int
    stored: int
    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    disordered: int = 0

    @property
    def kept(self) -> bool:
        """Whether the promise was kept."""
        return not (self.lost or self.doubled or self.wrong or self.disordered)

    def __add__(self, other: object) -> Verdict:
        assert isinstance(other, Verdict)
        return Verdict(*(a + b for a, b in zip(self, other, strict=True)))

    def __str__(self) -> str:
        return "  ".join(f"{name} {value}" for name, value in self._asdict().items())


def numbers(ledger: Path) -> list[int]:
    """The numbers that an agent has certainly taken."""
    return [int(line) for line in ledger.read_text().split()] if ledger.exists() else []


def judge(
    store: Store, site: str, node: str, ledger: Path, channels: int, *, ordered: bool = True
) -> Verdict:
    """One agent's ledger against what the store holds under its name.

    Args:
        ordered: numbers must rise with their time stamps (not so over a clock set back and a restart).
    """
    produced = numbers(ledger)
    # The number after each gap in the ledger, and after its end, may have been handed out: no loss if
    # it is missing, no wrong point if it is there.
    allowed = set(produced) | {number + 1 for number in produced} | {0}
    where = f"\"node\" = '{node}' AND \"site\" = '{site}' AND \"device\" = 'counter'"
    rows = store.query(f'SELECT "value" FROM "depth" WHERE {where} GROUP BY "channel" ORDER BY time')
    stored: dict[str, list[int]] = {f"c{i}": [] for i in range(channels)}
    strays = 0
    for row in rows:
        if row["channel"] in stored:
            stored[row["channel"]].append(int(row["value"]))
        else:
            strays += 1
    total = Verdict(0, 0, wrong=strays)
    for values in stored.values():
        counts = Counter(values)
        total += Verdict(
            produced=len(produced),
            stored=len(values),
            lost=len(set(produced) - counts.keys()),
            doubled=sum(count - 1 for count in counts.values()),
            wrong=len(counts.keys() - allowed),
            disordered=sum(b < a for a, b in pairwise(values)) if ordered else 0,
        )
    return total
