"""The storage: a disk that fails, comes back and fails again costs no reading."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeagent import storage as module
from edgeagent.clock import SYNCED, UNSYNCED
from edgeagent.outbox import Outbox, OutboxCorrupt, OutboxUnavailable
from edgeagent.storage import Storage
from edgeagent_sdk.messages import Severity

T = 1_790_000_000 * 10**9
BUDGET = 1 << 30


def line(i: int, from_ns: int = T) -> str:
    return f"power,channel=c,device=d,node=n,site=s value={float(i)} {from_ns + i}\n"


class Bench:
    """A storage on a disk that can be made to fail, and what it reported."""

    def __init__(self, path: Path) -> None:
        self.reports: list[str] = []
        self.path = path
        self.storage = Storage(path, BUDGET, self._report)
        self.put = 0

    def _report(self, kind: str, message: str, severity: Severity = Severity.INFO, **_: object) -> None:
        self.reports.append(kind)

    def take(self, batches: int, per_batch: int = 1, *, from_ns: int = T, held: bool = False) -> None:
        for _ in range(batches):
            lines = "".join(line(self.put + k, from_ns) for k in range(per_batch))
            self.put += per_batch
            self.storage.active.put(lines, per_batch)
            self.storage.seal(UNSYNCED if held else SYNCED, self.put, held=held)

    def recover(self) -> None:
        self.storage._retry_ns = 0
        self.storage.recover()

    def kept(self) -> set[str]:
        """Every line in every outbox, those not yet in a batch too."""
        texts = [text for box in self.storage.boxes for text, _ in box.everything()]
        return set("".join(texts).splitlines(keepends=True))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "outbox.db")
    yield made
    made.storage.close()


class Full:
    """A disk that takes so many more batches."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room = 0
        seal = Outbox.seal

        def refuse(box: Outbox, clock: str, time_ns: int, *, held: bool = False) -> None:
            if box.path and box.waiting:
                self.room -= 1
                if self.room < 0:
                    raise OutboxUnavailable("disk is full")
            seal(box, clock, time_ns, held=held)

        monkeypatch.setattr(Outbox, "seal", refuse)


def test_a_disk_that_is_full_again_while_it_takes_over_costs_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Full(monkeypatch)
    bench.take(30, 1000)
    disk.room = 3
    bench.recover()
    assert bench.kept() == {line(i) for i in range(bench.put)}
    disk.room = 1000
    bench.recover()
    assert len(bench.storage.boxes) == 1
    assert bench.kept() == {line(i) for i in range(bench.put)}


def test_readings_held_for_an_unset_clock_move_from_memory_to_the_disk_and_stay_held(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Full(monkeypatch)
    bench.take(20, 1000, from_ns=0, held=True)
    disk.room = 1000
    bench.recover()
    assert [box.path for box in bench.storage.boxes] == [bench.path]
    assert bench.kept() == {line(i, 0) for i in range(bench.put)}
    assert bench.storage.after(bench.storage.active, 0, 1000) == []


def test_a_broken_file_that_cannot_be_set_aside_costs_nothing_that_is_still_known(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.take(5)

    def read_only(_path: Path) -> Path:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(module, "set_aside", read_only)
    bench.path.write_bytes(b"garbage!" * 1000)
    bench.take(5)
    assert bench.reports == ["outbox-failing"]
    assert bench.kept() == {line(i) for i in range(10)}


def test_what_was_set_aside_is_salvaged_when_there_is_room_for_a_new_file(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.take(5)
    bench.storage.close()
    db = sqlite3.connect(bench.path)
    db.execute("UPDATE meta SET value = 'none' WHERE key = 'next'")
    db.commit()
    db.close()
    full = True
    opened = Outbox._open

    def refuse(box: Outbox) -> None:
        if box.path and full:
            raise sqlite3.OperationalError("database or disk is full")
        opened(box)

    monkeypatch.setattr(Outbox, "_open", refuse)
    bench.storage._replace(None, OutboxCorrupt("broken"))
    full = False
    bench.recover()
    assert bench.kept() == {line(i) for i in range(5)}


def test_numbers_of_an_outbox_that_is_gone_are_not_known(bench: Bench) -> None:
    """None, not an empty list: what is on its way under the old name has arrived."""
    bench.take(3)
    assert bench.storage.remove("another", 1, 3) is None
    assert bench.storage.remove(bench.storage.active.boot, 1, 2) == [1, 2]
