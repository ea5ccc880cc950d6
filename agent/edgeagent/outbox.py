"""The outbox: readings wait here, on disk, until somebody else holds them safely.

Two steps, because a disk is slow and a power cut rare: `commit` survives the death of the process
(it leaves the readings with the kernel), `seal` closes a batch and survives a power cut. SQLite in
WAL mode carries both. Over its byte budget the outbox thins before it drops: see `thin`.
"""

from __future__ import annotations

import sqlite3
import uuid
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from edgeagent.filecheck import FileCheck
from edgeagent.thinning import LEVELS, STEP, merge_lines
from edgeagent_sdk.errors import EdgeError

#: A batch is closed early at this size, well under the largest payload of the wire.
BATCH_MAX_BYTES = 256 << 10

#: Unacknowledged batches are also kept in memory up to this size: they are sent from there, and
#: they survive the loss of the file.
_MIRROR_MAX_BYTES = 2 << 20

_LOG_KEEPS_BYTES = 4 << 20

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE pending (id INTEGER PRIMARY KEY, readings INTEGER NOT NULL, lines TEXT NOT NULL);
-- A batch stands for the numbers first..seq; more than one once it has been thinned.
CREATE TABLE batch (seq INTEGER PRIMARY KEY, first INTEGER NOT NULL, level INTEGER NOT NULL,
  readings INTEGER NOT NULL, thinned INTEGER NOT NULL, held INTEGER NOT NULL,
  clock TEXT NOT NULL, time_ns INTEGER NOT NULL, packed BLOB NOT NULL);
"""

_ROW = "seq, first, readings, thinned, clock, time_ns"

#: Primary result codes of SQLite (https://www.sqlite.org/rescode.html) after which the file is lost to us.
_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
#: Extended code: the file ends before a page that it should have, so it was cut.
_SHORT_READ = sqlite3.SQLITE_IOERR_SHORT_READ


class OutboxUnavailable(EdgeError):
    """The disk does not take or give data now: full, read-only, failing. It may again later."""


class OutboxCorrupt(EdgeError):
    """The file is not a sound outbox; it must be set aside."""


class Batch(NamedTuple):
    """A sealed batch. It stands for the numbers `first` to `seq`; `lines` are its readings, or None
    if the disk has damaged them."""

    seq: int
    first: int
    readings: int
    thinned: int
    clock: str
    time_ns: int
    lines: str | None


class _Row(NamedTuple):
    seq: int
    first: int
    readings: int
    thinned: int
    clock: str
    time_ns: int
    packed: bytes


class Loss(NamedTuple):
    """What keeping the byte budget cost: readings thinned out, and readings dropped."""

    thinned: int = 0
    dropped: int = 0


@contextmanager
def _sqlite_errors(path: Path | None) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", None) or 0
        where = f"outbox {path or 'in memory'}: {error}"
        if code & 0xFF in _CORRUPT or code == _SHORT_READ or not isinstance(error, sqlite3.OperationalError):
            raise OutboxCorrupt(where) from None
        raise OutboxUnavailable(where) from None


class Outbox:
    """One file of batches, numbered from 1 without holes. Used by one thread.

    Args:
        path: the SQLite file, made if absent; None for one in memory, while the disk fails.
        max_bytes: budget for the packed batches.

    Raises:
        OutboxUnavailable, OutboxCorrupt
    """

    def __init__(self, path: Path | None, max_bytes: int) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self.waiting_bytes = 0
        self._buffer: list[tuple[str, int]] = []
        self._mirror: dict[int, str] = {}
        self._mirror_bytes = 0
        with _sqlite_errors(path):
            self._db = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
            try:
                self._open()
            except sqlite3.DatabaseError:
                self._db.close()
                raise
        self._file = FileCheck(path, _LOG_KEEPS_BYTES) if path else None

    def _open(self) -> None:
        db = self._db
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=NORMAL")
        db.execute(f"PRAGMA journal_size_limit={_LOG_KEEPS_BYTES}")
        db.execute("PRAGMA cache_size=-1024")
        if not db.execute("SELECT 1 FROM sqlite_master").fetchone():
            # All of it or nothing: a file with tables and no name would be no use to any later start.
            named = f"INSERT INTO meta VALUES ('boot', '{uuid.uuid4().hex[:16]}'), ('next', '1');"
            db.executescript("BEGIN;" + _SCHEMA + named + "COMMIT;")
        verdict = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
        meta = dict(db.execute("SELECT key, value FROM meta"))
        self.boot: str = meta["boot"]
        self._next = int(meta["next"])
        rows = db.execute("SELECT readings, lines FROM pending WHERE readings ORDER BY id").fetchall()
        self._pending: list[tuple[str, int]] = [(lines, readings) for readings, lines in rows]
        self.waiting_bytes = sum(len(lines) for lines, _ in self._pending)
        self._count()

    def _count(self) -> None:
        self.depth, self.size_bytes = self._db.execute(
            "SELECT count(*), coalesce(sum(length(packed)), 0) FROM batch"
        ).fetchone()

    def check_file(self) -> None:
        """Raise OutboxCorrupt if the file was moved, cut or overwritten: SQLite would just write on."""
        damage = self._file.damage() if self._file else ""
        if damage:
            raise OutboxCorrupt(f"outbox {self.path}: {damage}")

    @property
    def last(self) -> int:
        """The highest number given so far."""
        return self._next - 1

    @property
    def waiting(self) -> bool:
        """Whether there are readings not yet in a batch."""
        return bool(self._buffer or self._pending)

    def put(self, lines: str, readings: int) -> None:
        """Take readings into memory; `commit` or `seal` makes them safe."""
        self._buffer.append((lines, readings))
        self.waiting_bytes += len(lines)

    def commit(self) -> None:
        """Make what was put survive the death of this process."""
        if not self._buffer:
            return
        text = "".join([lines for lines, _ in self._buffer])
        readings = sum(count for _, count in self._buffer)
        with _sqlite_errors(self.path):
            self._db.execute("INSERT INTO pending (readings, lines) VALUES (?, ?)", (readings, text))
        self._pending.append((text, readings))
        self._buffer.clear()

    def seal(self, clock: str, time_ns: int, *, held: bool = False) -> None:
        """Close what waits into batches, and make them survive a power cut.

        Args:
            clock: state of the clock, for the header.
            time_ns: stamp of the header; further batches of the same call follow 1 ns apart.
            held: the clock is not set yet: keep back until `release` has put the stamps right.
        """
        chunks = list(_chunks(self._pending + self._buffer))
        rows = [
            (seq, seq, 0, readings, 0, held, clock, time_ns + i, _pack(lines))
            for i, (seq, (lines, readings)) in enumerate(
                zip(range(self._next, 1 << 62), chunks, strict=False)
            )
        ]
        with self._transaction(durable=True):
            self._db.execute("DELETE FROM pending")
            self._db.executemany("INSERT INTO batch VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
            self._set_next(self._next + len(rows))
        self._next += len(rows)
        self.depth += len(rows)
        self.size_bytes += sum(len(row[-1]) for row in rows)
        for row, (lines, _) in zip(rows, chunks, strict=True):
            self._remember(row[0], lines)
        self._pending.clear()
        self._buffer.clear()
        self.waiting_bytes = 0

    def after(self, seq: int, limit: int) -> list[Batch]:
        """Batches with numbers above `seq`, in order, without those held back."""
        query = f"SELECT {_ROW}, packed FROM batch WHERE seq > ? AND NOT held ORDER BY seq LIMIT ?"
        with _sqlite_errors(self.path):
            rows = [_Row(*row) for row in self._db.execute(query, (seq, limit))]
        return [Batch(*row[:-1], self._lines(row)) for row in rows]

    def remove(self, first: int, last: int) -> list[int]:
        """Forget the batches all of whose numbers lie in `first`..`last`; returns their seqs.

        A thinned batch stays until every number that it stands for is named: an acknowledgement
        that was on its way since before the thinning must not take what it does not cover.
        """
        where = "seq BETWEEN ? AND ? AND first >= ?"
        with self._transaction():
            rows = self._db.execute(
                f"SELECT seq, length(packed) FROM batch WHERE {where}", (first, last, first)
            ).fetchall()
            if rows:
                self._db.execute(f"DELETE FROM batch WHERE {where}", (first, last, first))
        for seq, packed_bytes in rows:
            self._forget(seq, packed_bytes)
        return [seq for seq, _ in rows]

    def thin(self, keep: Collection[int]) -> Loss:
        """Bring the outbox back under its budget, oldest first.

        The level that takes the most room gives: ten of its oldest batches become one of the next
        level, with the last reading of each series (real readings, a tenth of them); on the last
        level the oldest is dropped. So the newest third stays whole, the middle keeps every tenth
        reading and the oldest third every hundredth.

        Args:
            keep: numbers that are on their way and must not change.
        """
        loss = Loss()
        while self.size_bytes > self.max_bytes:
            step = self._thin_once(keep)
            if step is None:
                break
            loss = Loss(loss.thinned + step.thinned, loss.dropped + step.dropped)
        return loss

    def _thin_once(self, keep: Collection[int]) -> Loss | None:
        with self._transaction():
            levels = self._db.execute(
                "SELECT level FROM batch GROUP BY level ORDER BY sum(length(packed)) DESC"
            ).fetchall()
            for (level,) in levels:
                rows = [row for row in self._oldest(level) if row[0] not in keep]
                if level >= LEVELS and rows:
                    return self._drop(rows[0])
                if len(rows) >= 2:
                    return self._merge(level, rows)
        return None

    def _oldest(self, level: int) -> list[_Row]:
        query = f"SELECT {_ROW}, packed FROM batch WHERE level = ? AND NOT held ORDER BY seq LIMIT ?"
        return [_Row(*row) for row in self._db.execute(query, (level, STEP))]

    def _drop(self, row: _Row) -> Loss:
        self._db.execute("DELETE FROM batch WHERE seq = ?", (row.seq,))
        self._forget(row.seq, len(row.packed))
        return Loss(dropped=row.readings)

    def _merge(self, level: int, rows: list[_Row]) -> Loss:
        lines = merge_lines([self._mirror.get(row.seq) or _unpack(row.packed) or "" for row in rows])
        # Many channels may not fit one payload even so; but there are never more pieces than rows.
        limit = max(BATCH_MAX_BYTES, 2 * len(lines) // len(rows))
        pieces = list(_chunks([(lines, lines.count("\n"))], limit))
        cost = sum(row.readings for row in rows) - lines.count("\n")
        thinned = [cost + sum(row.thinned for row in rows)] + [0] * (len(pieces) - 1)
        ends = rows[len(rows) - len(pieces) :]
        firsts = [rows[0].first] + [end.seq + 1 for end in ends[:-1]]
        for row in rows:
            self._forget(row.seq, len(row.packed))
        self._db.executemany("DELETE FROM batch WHERE seq = ?", [(row.seq,) for row in rows])
        for end, first, lost, (text, readings) in zip(ends, firsts, thinned, pieces, strict=True):
            packed = _pack(text)
            self._db.execute(
                "INSERT INTO batch VALUES (?, ?, ?, ?, ?, 0, ?, ?, ?)",
                (end.seq, first, level + 1, readings, lost, end.clock, end.time_ns, packed),
            )
            self.depth += 1
            self.size_bytes += len(packed)
        return Loss(thinned=cost)

    def held(self) -> int:
        """How many batches are held back."""
        with _sqlite_errors(self.path):
            count: int = self._db.execute("SELECT count(*) FROM batch WHERE held").fetchone()[0]
        return count

    def release(self, restamp: Callable[[str], str], clock: str, by_ns: int) -> int:
        """Let go of batches held back for an unset clock, their stamps put right; how many."""
        with self._transaction(durable=True):
            rows = self._db.execute("SELECT seq, time_ns, packed FROM batch WHERE held").fetchall()
            for seq, time_ns, packed in rows:
                lines = restamp(_unpack(packed) or "")
                self._unmirror(seq)
                self._db.execute(
                    "UPDATE batch SET held = 0, clock = ?, time_ns = ?, packed = ? WHERE seq = ?",
                    (clock, time_ns + by_ns, _pack(lines), seq),
                )
            self._count()
        return len(rows)

    def note(self, key: str, value: str | None = None) -> str:
        """A remark kept beside the batches; with `value`, set it."""
        with _sqlite_errors(self.path):
            if value is not None:
                self._db.execute("REPLACE INTO meta VALUES (?, ?)", (key, value))
            row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return row[0] if row else ""

    def oldest_ns(self) -> int | None:
        """Stamp of the oldest batch, or None if the outbox is empty."""
        with _sqlite_errors(self.path):
            row = self._db.execute("SELECT time_ns FROM batch ORDER BY seq LIMIT 1").fetchone()
        return row[0] if row else None

    def take_buffer(self) -> list[tuple[str, int]]:
        """Give back what was put and could not be committed."""
        buffer, self._buffer = self._buffer, []
        self.waiting_bytes -= sum(len(lines) for lines, _ in buffer)
        return buffer

    def probe(self) -> None:
        """Try whether the disk takes a whole batch again. Raises OutboxUnavailable if not."""
        with self._transaction(durable=True):
            self._db.execute("INSERT INTO pending (readings, lines) VALUES (0, ?)", (" " * BATCH_MAX_BYTES,))
        with self._transaction():
            self._db.execute("DELETE FROM pending WHERE readings = 0")

    def memory(self) -> list[tuple[str, int]]:
        """What is known without the file: the unacknowledged batches of late, and what waits."""
        mirrored = [(lines, lines.count("\n")) for lines in self._mirror.values()]
        return mirrored + self.unsealed()

    def everything(self) -> Iterator[tuple[str, int]]:
        """Lines and their number: all batches, those held back too, and what waits."""
        for readings, packed in self._db.execute("SELECT readings, packed FROM batch ORDER BY seq"):
            yield _unpack(packed) or "", readings
        yield from self.unsealed()

    def unsealed(self) -> list[tuple[str, int]]:
        """What waits for `seal`: lines and their number."""
        return self._pending + self._buffer

    def close(self) -> None:
        """Let go of the file. What was only put, not committed, is lost."""
        try:
            self._db.close()
        except sqlite3.Error:
            pass  # it fails on a broken file, which is being set aside

    @contextmanager
    def _transaction(self, *, durable: bool = False) -> Iterator[None]:
        with _sqlite_errors(self.path):
            if durable:
                self._db.execute("PRAGMA synchronous=FULL")
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                    self._count()
                raise
            finally:
                if durable:
                    self._db.execute("PRAGMA synchronous=NORMAL")

    def _set_next(self, seq: int) -> None:
        self._db.execute("UPDATE meta SET value = ? WHERE key = 'next'", (str(seq),))

    def _remember(self, seq: int, lines: str) -> None:
        if self._mirror_bytes + len(lines) <= _MIRROR_MAX_BYTES:
            self._mirror[seq] = lines
            self._mirror_bytes += len(lines)

    def _lines(self, row: _Row) -> str | None:
        lines = self._mirror.get(row.seq)
        if lines is None and (lines := _unpack(row.packed)) is not None:
            self._remember(row.seq, lines)  # it is on its way now: the loss of the file must not cost it
        return lines

    def _forget(self, seq: int, packed_bytes: int) -> None:
        self.depth -= 1
        self.size_bytes -= packed_bytes
        self._unmirror(seq)

    def _unmirror(self, seq: int) -> None:
        self._mirror_bytes -= len(self._mirror.pop(seq, ""))


def _pack(lines: str) -> bytes:
    # Level 1 takes a tenth of the default level's time for nine tenths of what it saves.
    return zlib.compress(lines.encode(), 1)


def _unpack(packed: bytes) -> str | None:
    """The lines, or None if the disk has damaged them (zlib's checksum tells)."""
    try:
        return zlib.decompress(packed).decode()
    except (zlib.error, UnicodeDecodeError):
        return None


def _chunks(parts: list[tuple[str, int]], limit: int = BATCH_MAX_BYTES) -> Iterator[tuple[str, int]]:
    """The same readings in pieces of at most `limit` bytes each."""
    texts: list[str] = []
    size = readings = 0
    for lines, count in (piece for part in parts for piece in _split(*part, limit)):
        if texts and size + len(lines) > limit:
            yield "".join(texts), readings
            texts, size, readings = [], 0, 0
        texts.append(lines)
        size += len(lines)
        readings += count
    if texts:
        yield "".join(texts), readings


def _split(lines: str, readings: int, limit: int) -> Iterator[tuple[str, int]]:
    while len(lines) > limit:
        cut = lines.rfind("\n", 0, limit) + 1
        piece = lines[:cut]
        count = piece.count("\n")
        yield piece, count
        lines, readings = lines[cut:], readings - count
    yield lines, readings
