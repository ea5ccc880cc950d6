"""Messages that wait until the MQTT client takes them: its own queue is short, and there may be no broker."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable


class Waiting:
    """A queue in order; when it is full, the oldest goes. From any thread.

    Args:
        send: hands a message on; None if it cannot be taken now.
        maximum: so many wait at most.

    Attributes:
        lost: so many have gone unsent.
    """

    def __init__(self, send: Callable[[bytes], int | None], maximum: int) -> None:
        self.lost = 0
        self._send = send
        self._queue: deque[bytes] = deque(maxlen=maximum)
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._queue)

    def put(self, payload: bytes) -> None:
        """Send it now, or as soon as it can be."""
        with self._lock:
            self.lost += len(self._queue) == self._queue.maxlen
            self._queue.append(payload)
        self.flush()

    def flush(self) -> None:
        """Send as many as can be taken now."""
        with self._lock:
            while self._queue and self._send(self._queue[0]) is not None:
                self._queue.popleft()
