"""Looking into an outbox from outside, also while the agent runs with it."""

from __future__ import annotations

import sqlite3
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from edgeagent_sdk.errors import EdgeError


class Stats(NamedTuple):
    """What an outbox holds.

    Args:
        readings, batches: sealed and waiting to be acknowledged; `bytes` as they lie on the disk, packed.
        unsealed: readings that are not yet in a batch.
        held: batches of them kept back until the machine's clock is set.
        oldest_age_s: since the oldest batch was closed; None if there is none.
        next_seq: the number that the next batch gets.
    """

    batches: int
    readings: int
    bytes: int
    unsealed: int
    held: int
    oldest_age_s: float | None
    boot: str
    next_seq: int


def stats(path: Path) -> Stats:
    """Count what waits.

    Raises:
        EdgeError: there is no outbox, or it cannot be read.
    """
    with _open(path) as db:
        batches, readings, size, held, oldest_ns = db.execute(
            "SELECT count(*), coalesce(sum(readings), 0), coalesce(sum(length(packed)), 0),"
            " coalesce(sum(held), 0), min(time_ns) FROM batch"
        ).fetchone()
        unsealed = db.execute("SELECT coalesce(sum(readings), 0) FROM pending").fetchone()[0]
        meta = dict(db.execute("SELECT key, value FROM meta"))
    age_s = None if oldest_ns is None else max(0.0, (time.time_ns() - oldest_ns) / 1e9)
    return Stats(batches, readings, size, unsealed, held, age_s, meta["boot"], int(meta["next"]))


def export(path: Path) -> Iterator[str]:
    """The readings that wait, as line protocol, oldest first; piece by piece.

    Batches that the disk has damaged are passed over.

    Raises:
        EdgeError: there is no outbox, or it cannot be read.
    """
    with _open(path) as db:
        for (packed,) in db.execute("SELECT packed FROM batch ORDER BY seq"):
            try:
                yield zlib.decompress(packed).decode()
            except (zlib.error, UnicodeDecodeError):
                continue
        for (lines,) in db.execute("SELECT lines FROM pending WHERE readings ORDER BY id"):
            yield lines


@contextmanager
def _open(path: Path) -> Iterator[sqlite3.Connection]:
    """One consistent view of the file; the agent's own work goes on beside it."""
    try:
        with path.open("rb"):
            pass
    except FileNotFoundError:
        raise EdgeError(f"{path}: no outbox there; has the agent run with this state_dir?") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise EdgeError(f"{path}: {reason}; run this as the agent's user or as root") from None
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=5.0)
    try:
        db.execute("BEGIN")
        yield db
    except sqlite3.Error as error:
        raise EdgeError(f"{path}: not a sound outbox: {error}") from None
    finally:
        db.close()
