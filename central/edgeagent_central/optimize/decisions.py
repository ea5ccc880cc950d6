"""The log of decisions: one line of JSON for each, in files that rotate, and the last ones in memory."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

_LOG = logging.getLogger("edgeagent")

#: So much is kept: four old files beside the one being written.
_FILE_MAX_BYTES: Final = 16 << 20
_FILES: Final = 5

#: Of so many the last are at hand, ten minutes at one a second.
_KEPT: Final = 600


class Decisions:
    """Decisions, written as they are taken. A full disk costs the file, never the decision.

    Args:
        path: the file being written; older ones are ``<path>.1`` and so on.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept: deque[Mapping[str, Any]] = deque(maxlen=_KEPT)
        self._trouble = ""

    def add(self, decision: Mapping[str, Any]) -> None:
        """Write one down."""
        self._kept.append(decision)
        try:
            self._rotate()
            with self._path.open("ab") as file:
                file.write(msgspec.json.encode(decision) + b"\n")
            self._trouble = ""
        except OSError as error:
            if not self._trouble:
                _LOG.error("%s: %s; decisions are kept in memory only", self._path, error.strerror)
            self._trouble = str(error)

    def last(self, count: int) -> list[Mapping[str, Any]]:
        """The newest, youngest first."""
        return list(self._kept)[: -count - 1 : -1]

    def _rotate(self) -> None:
        if not self._path.exists() or self._path.stat().st_size < _FILE_MAX_BYTES:
            return
        for number in range(_FILES - 1, 0, -1):
            older = self._numbered(number - 1)
            if older.exists():
                older.replace(self._numbered(number))

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}") if number else self._path
