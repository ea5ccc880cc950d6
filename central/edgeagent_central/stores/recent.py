"""What a store has taken in the last seconds, for the stores that a kill makes forget it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator


class Recent:
    """Written bodies, youngest last. Not for several threads.

    Args:
        keep_s: how long after a write the store may still lose it.
        max_bytes: the oldest go when there is more.
    """

    def __init__(self, keep_s: float, max_bytes: int) -> None:
        self._keep_s, self._max_bytes = keep_s, max_bytes
        self._kept: deque[tuple[float, bytes]] = deque()
        self._bytes = 0

    def add(self, body: bytes) -> None:
        """Remember what was written just now."""
        self._kept.append((time.monotonic(), body))
        self._bytes += len(body)
        while self._bytes > self._max_bytes:
            self._drop()

    def settle(self) -> None:
        """The store lives, and has lived since the last call: what is old enough is safe now."""
        before_s = time.monotonic() - self._keep_s
        while self._kept and self._kept[0][0] < before_s:
            self._drop()

    def clear(self) -> None:
        """Nothing of it can be lost."""
        self._kept.clear()
        self._bytes = 0

    def __iter__(self) -> Iterator[bytes]:
        return iter([body for _, body in self._kept])

    def _drop(self) -> None:
        _, body = self._kept.popleft()
        self._bytes -= len(body)
