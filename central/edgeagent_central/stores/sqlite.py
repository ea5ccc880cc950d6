"""The embedded store: one SQLite file, for one machine and its first weeks."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec

from edgeagent_central.stores.base import (
    POINTS_MAX,
    Query,
    Series,
    Store,
    StoreDown,
    StoreMisconfigured,
    StoreOptions,
    within_limit,
)
from edgeagent_sdk.batch import MEASUREMENT
from edgeagent_sdk.lineproto import decode_head
from edgeagent_sdk.quantities import QUANTITIES, Kind

_SCHEMA = """
CREATE TABLE IF NOT EXISTS series (id INTEGER PRIMARY KEY,
  quantity TEXT NOT NULL, channel TEXT NOT NULL, device TEXT NOT NULL, node TEXT NOT NULL, site TEXT NOT NULL,
  UNIQUE (site, node, device, channel, quantity));
CREATE TABLE IF NOT EXISTS point (series INTEGER NOT NULL, time_ns INTEGER NOT NULL, value REAL NOT NULL,
  PRIMARY KEY (series, time_ns)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batch (node TEXT NOT NULL, site TEXT NOT NULL, time_ns INTEGER NOT NULL,
  fields TEXT NOT NULL, PRIMARY KEY (site, node, time_ns)) WITHOUT ROWID;
"""

_SWEEP_S = 60.0

#: The share of the time that is kept which goes at once when the file is full; the writer waits for it.
_SLICE = 0.01

_NAMES = "quantity, channel, device, node, site"


class SqliteOptions(StoreOptions, frozen=True):
    """The ``[store]`` table of the embedded store."""

    path: Annotated[str, msgspec.Meta(description="the file")] = "/var/lib/edgeagent/store.db"
    retention_days: Annotated[float, msgspec.Meta(description="points older than this are deleted", gt=0)] = (
        30.0
    )
    max_bytes: Annotated[
        int, msgspec.Meta(description="when the points take more, the oldest are deleted", ge=1 << 20)
    ] = 2 << 30


class SqliteStore(Store):
    """Points under (series, time): a point written again replaces itself."""

    Options = SqliteOptions

    def __init__(self, options: SqliteOptions) -> None:
        super().__init__(options)
        self._ids: dict[bytes, int] = {}
        self._sweep_s = 0.0
        self._reading = threading.Lock()
        path = Path(options.path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = self._connect(path)
            self._db.executescript(_SCHEMA)
            self._reader = self._connect(path)
        except (sqlite3.Error, OSError) as error:
            reason = getattr(error, "strerror", "") or str(error)
            raise StoreMisconfigured(
                f"store.path {path}: {reason.lower()}; make it writable or set another store.path"
            ) from None

    @staticmethod
    def _connect(path: Path) -> sqlite3.Connection:
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10.0)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")  # what is acknowledged survives a power cut
        return db

    def write(self, payloads: Sequence[bytes]) -> None:
        """One transaction for all of it."""
        lines = b"".join(payloads).splitlines()
        headers = [line for line in lines if line.startswith(MEASUREMENT.encode())]
        try:
            self._db.execute("BEGIN IMMEDIATE")
            points = list(self._points(lines))
            self._db.executemany("REPLACE INTO point VALUES (?, ?, ?)", points)
            self._db.executemany("REPLACE INTO batch VALUES (?, ?, ?, ?)", [_header_row(h) for h in headers])
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._ids.clear()
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise StoreDown(f"store {self.options.path}: {error}") from None

    def tend(self) -> None:
        """Delete what is past its retention now and then, and the oldest as soon as there is too much."""
        try:
            if time.monotonic() >= self._sweep_s:
                self._sweep_s = time.monotonic() + _SWEEP_S
                self._delete_before(time.time_ns() - int(self.options.retention_days * 86400e9))
            if self._used_bytes() > self.options.max_bytes and (oldest := self._oldest_ns()):
                self._delete_before(oldest + int((time.time_ns() - oldest) * _SLICE))
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise StoreDown(f"store {self.options.path}: {error}") from None

    def query(self, query: Query) -> list[Series]:
        """By series, then by time."""
        wanted = query.tags() | ({"quantity": query.quantity} if query.quantity else {})
        where = " AND ".join(["1", *(f"{name} = ?" for name in wanted)])
        try:
            with self._reading:
                rows = self._reader.execute(
                    f"SELECT id, {_NAMES} FROM series WHERE {where}", list(wanted.values())
                ).fetchall()
                return within_limit(self._matching(rows, query))
        except sqlite3.Error as error:
            raise StoreDown(f"store {self.options.path}: {error}") from None

    def close(self) -> None:
        """Close the file."""
        self._db.close()
        self._reader.close()

    def _points(self, lines: Sequence[bytes]) -> Iterator[tuple[int, int, float]]:
        for line in lines:
            head, _, rest = line.partition(b" ")
            field, _, stamp = rest.partition(b" ")
            if head.startswith(MEASUREMENT.encode()):
                continue
            series = self._ids.get(head) or self._series(head)
            yield series, int(stamp), float(field[6:])

    def _series(self, head: bytes) -> int:
        quantity, channel, device, identity = decode_head(head)
        names = (quantity, channel, device, identity.node, identity.site)
        self._db.execute(f"INSERT OR IGNORE INTO series ({_NAMES}) VALUES (?, ?, ?, ?, ?)", names)
        row = self._db.execute(f"SELECT id FROM series WHERE ({_NAMES}) = (?, ?, ?, ?, ?)", names).fetchone()
        self._ids[head] = row[0]
        return int(row[0])

    def _matching(self, rows: Sequence[tuple[Any, ...]], query: Query) -> Iterator[Series]:
        for series, *names in rows:
            points = self._reader.execute(
                _select(names[0], query.step_ns),
                {
                    "series": series,
                    "start": query.start_ns,
                    "last": query.end_ns - 1,
                    "step": query.step_ns,
                    "limit": POINTS_MAX + 1,
                },
            ).fetchall()
            if points:
                yield Series._make([*names, points])

    def _used_bytes(self) -> int:
        pages, free, size = (
            self._db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    def _oldest_ns(self) -> int | None:
        found = self._db.execute(
            "SELECT min((SELECT min(time_ns) FROM point WHERE series = id)) FROM series"
        ).fetchone()[0]
        return None if found is None else int(found)

    def _delete_before(self, time_ns: int) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        for (series,) in self._db.execute("SELECT id FROM series").fetchall():
            self._db.execute("DELETE FROM point WHERE series = ? AND time_ns < ?", (series, time_ns))
        self._db.execute("DELETE FROM batch WHERE time_ns < ?", (time_ns,))
        self._db.execute("COMMIT")


def _select(quantity: str, step_ns: int) -> str:
    """The points of one series. With a step: a gauge's mean; a counter's last value, for SQLite gives
    a bare column the value of the row that has the maximum (lang_select.html, section 2.5)."""
    counter = quantity in QUANTITIES and QUANTITIES[quantity].kind is Kind.COUNTER
    columns, group = "time_ns, value", ""
    if step_ns:
        value = "value" if counter else "avg(value)"
        columns, group = f"time_ns / :step * :step AS begin, {value} AS value, max(time_ns)", "GROUP BY begin"
    inner = (
        f"SELECT {columns} FROM point WHERE series = :series AND time_ns BETWEEN :start AND :last {group}"
        f" ORDER BY 1 LIMIT :limit"
    )
    return f"SELECT begin, value FROM ({inner})" if step_ns else inner


def _header_row(line: bytes) -> tuple[str, str, int, str]:
    head, fields, stamp = line.decode().split(" ")
    tags = dict(pair.split("=") for pair in head.split(",")[1:])
    return tags["node"], tags["site"], int(stamp), fields
