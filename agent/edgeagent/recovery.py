"""What is done about an outbox file that is no longer sound: set aside, reported, salvaged."""

from __future__ import annotations

import sqlite3
import time
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

#: Older files set aside go, so that a failing disk is not filled by its own wreckage.
_KEEP = 3


def set_aside(path: Path) -> Path:
    """Rename a broken outbox, with its write-ahead log, to ``<name>.corrupt-<time>``; its new path."""
    aside = path.with_name(f"{path.name}.corrupt-{time.strftime('%Y%m%dT%H%M%S')}")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.replace(aside.with_name(aside.name + suffix))
    wrecks = sorted(
        p for p in path.parent.glob(f"{path.name}.corrupt-*") if not p.name.endswith(("-wal", "-shm"))
    )
    for old in wrecks[:-_KEEP]:
        for suffix in ("", "-wal", "-shm"):
            old.with_name(old.name + suffix).unlink(missing_ok=True)
    return aside


def salvage(aside: Path) -> Iterator[tuple[str, int]]:
    """Lines and their number, for every batch that can still be read out of a broken outbox."""
    try:
        with closing(sqlite3.connect(f"file:{aside}?mode=ro", uri=True)) as db:
            for readings, packed in db.execute("SELECT readings, packed FROM batch ORDER BY seq"):
                try:
                    yield zlib.decompress(packed).decode(), readings
                except (zlib.error, UnicodeDecodeError, TypeError):
                    continue
            query = "SELECT readings, lines FROM pending WHERE readings ORDER BY id"
            for readings, lines in db.execute(query):
                if isinstance(readings, int) and isinstance(lines, str):
                    yield lines, readings
    except sqlite3.Error:
        return
