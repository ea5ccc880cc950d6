"""What processes and the machine use, from /proc (see proc(5))."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from types import TracebackType

_TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def cpu_s(pid: int) -> float:
    """CPU time of a process and of its children that have ended, in seconds."""
    fields = _stat(pid)
    return sum(int(field) for field in fields[11:15]) * _TICK_S


def resident_bytes(pid: int) -> int:
    """Resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * _PAGE_BYTES


def _stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat from the third on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


class Meter:
    """What a process uses from now on until `read`, which may be called more than once."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.cpu_s = self.wall_s = 0.0
        self.resident_bytes = 0
        self._cpu_s, self._begun_s = cpu_s(pid), time.perf_counter()

    @property
    def cores(self) -> float:
        """Mean share of one core."""
        return self.cpu_s / self.wall_s if self.wall_s else 0.0

    def read(self) -> Meter:
        """Take the figures now."""
        self.wall_s = time.perf_counter() - self._begun_s
        self.cpu_s = cpu_s(self.pid) - self._cpu_s
        self.resident_bytes = resident_bytes(self.pid)
        return self


class Foreign:
    """How many cores others kept busy while a block ran, on average.

    That is the machine's busy time less that of this process and its descendants. It is sampled,
    because a process that has ended is not seen any more.
    """

    _PERIOD_S = 1.0

    def __init__(self) -> None:
        self.cores = 0.0
        self._foreign_s = 0.0
        self._ended = threading.Event()

    def __enter__(self) -> Foreign:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._begun_s = time.perf_counter()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self.cores = self._foreign_s / (time.perf_counter() - self._begun_s)

    def _run(self) -> None:
        busy_s, ours = _busy_s(), _ours()
        while True:
            last = self._ended.wait(self._PERIOD_S)
            now_busy_s, now_ours = _busy_s(), _ours()
            used_s = sum(cpu - ours.get(pid, 0.0) for pid, cpu in now_ours.items())
            self._foreign_s += max(0.0, now_busy_s - busy_s - used_s)
            busy_s, ours = now_busy_s, now_ours
            if last:
                return


def _busy_s() -> float:
    """CPU time that all cores spent on anything, in seconds since boot; time stolen by other guests too."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    idle = fields[3] + fields[4]
    return (sum(fields) - idle) * _TICK_S


def _ours() -> dict[int, float]:
    """CPU time of this process and of all that descend from it."""
    parents, used = {}, {}
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                fields = _stat(int(path.name))
            except OSError:
                continue  # it has ended
            pid = int(path.name)
            parents[pid] = int(fields[1])
            used[pid] = sum(int(field) for field in fields[11:13]) * _TICK_S
    return {pid: cpu for pid, cpu in used.items() if _descends(pid, parents)}


def _descends(pid: int, parents: dict[int, int]) -> bool:
    while pid and pid != os.getpid():
        pid = parents.get(pid, 0)
    return pid != 0
