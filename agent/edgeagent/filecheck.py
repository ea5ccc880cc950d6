"""Whether an SQLite file on the disk is still the one that was opened.

SQLite goes by what it remembers: it writes on into a file that was deleted, cut or overwritten, and
only the next start finds nothing there. A look at names, sizes and first bytes tells in time.

Source: SQLite's file format, https://www.sqlite.org/fileformat.html, sections 1.3 and 4.1.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

_MAGIC = b"SQLite format 3\0"
_LOG_MAGICS = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
_HEADER_BYTES = 100


class _Look(NamedTuple):
    """What a look at a file shows."""

    inode: int
    size: int
    head: bytes


class FileCheck:
    """Watches one open file in WAL mode, and its write-ahead log.

    Args:
        log_keeps_bytes: ``journal_size_limit``, below which SQLite does not shorten the log.
    """

    def __init__(self, path: Path, log_keeps_bytes: int) -> None:
        self._path, self._log_path = path, path.with_name(f"{path.name}-wal")
        self._log_keeps_bytes = log_keeps_bytes
        self._log_bytes = 0
        self._inodes: tuple[int, int] | None = None

    def damage(self) -> str:
        """What has happened to the files since the first call, in words; empty if nothing."""
        try:
            file, log = _look(self._path), _look(self._log_path)
        except FileNotFoundError:
            return "the file was moved or deleted"
        except OSError:
            return ""  # a failing disk shows when it is written to
        inodes = file.inode, log.inode
        self._inodes = self._inodes or inodes
        if inodes != self._inodes:
            return "the file was moved or deleted"
        return _damage(file) or self._log_damage(log)

    def _log_damage(self, log: _Look) -> str:
        before, self._log_bytes = self._log_bytes, log.size
        if log.size < min(before, self._log_keeps_bytes):
            return "its write-ahead log was cut"
        if log.size and log.head[:4] not in _LOG_MAGICS:
            return "its write-ahead log was overwritten"
        return ""


def _look(path: Path) -> _Look:
    with path.open("rb", 0) as file:
        status = os.fstat(file.fileno())
        return _Look(status.st_ino, status.st_size, file.read(_HEADER_BYTES))


def _damage(file: _Look) -> str:
    if file.size < _HEADER_BYTES:
        return "the file was cut"
    if not file.head.startswith(_MAGIC):
        return "the file was overwritten"
    page_bytes = int.from_bytes(file.head[16:18], "big")
    pages = int.from_bytes(file.head[28:32], "big")
    return "the file was cut" if file.size < pages * page_bytes else ""
