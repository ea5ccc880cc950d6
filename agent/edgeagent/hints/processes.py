"""Whether the processes that have told something are still there."""

from __future__ import annotations

import os
import select
from collections.abc import Collection


class Processes:
    """Watches processes by a descriptor each, so that a number that is given to another one deceives nobody.

    Of process 0, one of another PID namespace that the kernel cannot name here, nothing is known.
    """

    def __init__(self) -> None:
        self._watched: dict[int, int] = {}
        self._ends = select.poll()

    def ended(self, pids: Collection[int]) -> set[int]:
        """Those of `pids` that have ended; the others are watched, and no more."""
        for pid in self._watched.keys() - pids:
            self._let_go(pid)
        gone = {pid for pid in pids if pid and not self._watch(pid)}
        ready = {fd for fd, _ in self._ends.poll(0)} if self._watched else set()
        gone |= {pid for pid, fd in self._watched.items() if fd in ready}
        for pid in gone:
            self._let_go(pid)
        return gone

    def close(self) -> None:
        """Watch none any more."""
        self.ended(())

    def _watch(self, pid: int) -> bool:
        """Whether it is there, as far as can be told."""
        if pid in self._watched:
            return True
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            return False
        except OSError:  # no descriptor is left
            return True
        self._watched[pid] = fd
        self._ends.register(fd, select.POLLIN)
        return True

    def _let_go(self, pid: int) -> None:
        if (fd := self._watched.pop(pid, None)) is not None:
            self._ends.unregister(fd)
            os.close(fd)


def cpus(pid: int) -> frozenset[int]:
    """The CPUs that a process may use; none if that cannot be told."""
    try:
        return frozenset(os.sched_getaffinity(pid)) if pid else frozenset()
    except OSError:
        return frozenset()
