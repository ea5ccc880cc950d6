"""What the workload reports, taken in for a governor that runs here and not in an agent."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path
from typing import Final, Self

from edgeagent_sdk.governor import Session
from edgeagent_sdk.hintbook import Book
from edgeagent_sdk.hintrecord import MAX_BYTES, decode

_TURN_S: Final = 0.2


class Ear:
    """Listens at `path` from `__enter__` to `__exit__`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(_TURN_S)
        self._socket.bind(str(path))
        self._book, self._lock = Book(), threading.Lock()
        self._ended = False
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        self._thread.join()
        self._socket.close()
        self.path.unlink()

    def sessions(self) -> tuple[Session, ...]:
        """What has been told since this was last asked."""
        with self._lock:
            return self._book.drain(time.monotonic_ns(), lambda pid: frozenset(), self)

    def _listen(self) -> None:
        while not self._ended:
            try:
                record = decode(self._socket.recv(MAX_BYTES))
            except TimeoutError:
                continue
            with self._lock:
                self._book.take(record, 1, time.monotonic_ns())
