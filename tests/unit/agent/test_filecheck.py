"""An open file that somebody else damages is told from one that SQLite works on."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from edgeagent.outbox import Outbox, OutboxCorrupt
from edgeagent.report import Report
from edgeagent.storage import Storage
from edgeagent_sdk.messages import Severity

BUDGET = 64 << 20


def _work(box: Outbox, batches: int, random_: random.Random) -> None:
    for _ in range(batches):
        box.put(f"depth,channel=c,device=d,node=n,site=s value={random_.random()} 1\n" * 50, 50)
        box.commit()
        box.seal("synced", 1)
        box.check_file()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


@pytest.fixture
def box(path: Path) -> Outbox:
    """One that has seen some work, and has some of it in the file, some in the log."""
    made = Outbox(path, BUDGET)
    _work(made, 300, random.Random(1))
    made.remove(1, 250)
    made.check_file()
    return made


def test_nothing_that_sqlite_does_is_damage(path: Path) -> None:
    """Filling, emptying, checkpoints in between, a log that shrinks, a file opened again."""
    random_ = random.Random(2)
    for _ in range(2):
        box = Outbox(path, BUDGET)
        for _ in range(4):
            for _ in range(60):
                box.put(random_.randbytes(60_000).hex(), 1)  # does not pack: the log grows beyond its limit
                box.seal("synced", 1)
                box.check_file()
            box.remove(1, box.last)
            box.check_file()
            box._db.execute("PRAGMA wal_checkpoint(PASSIVE)")
            box.check_file()
        box.close()


def _overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"\x5a" * path.stat().st_size)


DAMAGE: dict[str, tuple[Callable[[Path, Path], object], str]] = {
    "deleted": (lambda file, log: file.unlink(), "moved or deleted"),
    "moved": (lambda file, log: file.rename(file.with_name("x")), "moved or deleted"),
    "another in its place": (lambda file, log: _swap(file), "moved or deleted"),
    "log deleted": (lambda file, log: log.unlink(), "moved or deleted"),
    "cut to nothing": (lambda file, log: os.truncate(file, 0), "the file was cut"),
    "cut in the header": (lambda file, log: os.truncate(file, 50), "the file was cut"),
    "cut by a byte": (lambda file, log: os.truncate(file, file.stat().st_size - 1), "the file was cut"),
    "overwritten": (lambda file, log: _overwrite(file), "the file was overwritten"),
    "log cut": (lambda file, log: os.truncate(log, 0), "its write-ahead log was cut"),
    "log overwritten": (lambda file, log: _overwrite(log), "its write-ahead log was overwritten"),
}


def _swap(path: Path) -> None:
    copy = path.with_name("copy")
    copy.write_bytes(path.read_bytes())
    copy.replace(path)


@pytest.mark.parametrize(("damage", "said"), DAMAGE.values(), ids=DAMAGE)
def test_damage_is_noticed(
    box: Outbox, path: Path, damage: Callable[[Path, Path], object], said: str
) -> None:
    damage(path, path.with_name("outbox.db-wal"))
    with pytest.raises(OutboxCorrupt, match=said):
        box.check_file()
    box.close()


@pytest.mark.parametrize(("damage", "said"), DAMAGE.values(), ids=DAMAGE)
def test_storage_carries_over_what_it_knows(
    path: Path, damage: Callable[[Path, Path], object], said: str
) -> None:
    """Whatever was done to the file, the readings of late are in the fresh one, and a report says so."""
    reports: list[str] = []

    def report(kind: str, message: str, severity: Severity = Severity.INFO, **_: object) -> None:
        reports.append(f"{kind}: {message}")

    told: Report = report
    storage = Storage(path, BUDGET, told)
    for i in range(20):
        storage.active.put(f"line {i}\n", 1)
        storage.commit()
        storage.seal("synced", i, held=False)
    storage.remove(storage.active.boot, 1, 10)
    storage.active.put("line 20\n", 1)
    storage.commit()
    damage(path, path.with_name("outbox.db-wal"))
    storage.active.put("line 21\n", 1)
    storage.seal("synced", 21, held=False)
    batches = storage.after(storage.active, 0, 100)
    kept = sorted(int(line.split()[1]) for batch in batches for line in (batch.lines or "").splitlines())
    assert set(kept) >= set(range(10, 22)), kept
    assert len(reports) == 1 and reports[0].startswith("outbox-corrupt: ") and said in reports[0]
    storage.close()
    again = Storage(path, BUDGET, told)
    assert again.active.last >= 1 and len(reports) == 1, "what was begun afresh is sound"
    again.close()
