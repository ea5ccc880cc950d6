"""What a process holds: open files and running threads, which a driver that is closed has let go."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from edgeagent_sdk.conformance.calls import WORKER


class Held:
    """What this process holds more than when this was made."""

    def __init__(self) -> None:
        self._files, self._threads = _open_files(), _threads()

    def more(self, than: int = 0) -> str:
        """``files: 2, threads: 1``; empty if it is not more than so many of a kind."""
        more = {"files": _open_files() - self._files, "threads": _threads() - self._threads}
        return ", ".join(f"{kind}: {count}" for kind, count in more.items() if count > than)


def soon(true: Callable[[], bool], patience_s: float) -> bool:
    """Whether it becomes true in time."""
    deadline = time.monotonic() + patience_s
    while not true() and time.monotonic() < deadline:
        time.sleep(0.02)
    return true()


def _threads() -> int:
    return sum(thread.name != WORKER for thread in threading.enumerate())


def _open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())
