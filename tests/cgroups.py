"""A control group of the tests' own, where this machine lets us make one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

_ROOT = Path("/sys/fs/cgroup")

#: Version 1 has a directory for each controller; those that we need.
_V1 = ("cpu", "cpu,cpuacct", "cpuacct")


class Group:
    """One group, in each hierarchy that it needs.

    Attributes:
        name: its path below the hierarchies' root.
    """

    def __init__(self) -> None:
        self.name = f"edgeagent-test-{uuid4().hex[:8]}"
        bases = [_ROOT / base for base in _V1 if (_ROOT / base / "tasks").exists()] or [_ROOT]
        self._directories = [base / self.name for base in dict.fromkeys(base.resolve() for base in bases)]

    def make(self) -> None:
        """Raises OSError where it cannot be."""
        for directory in self._directories:
            directory.mkdir()
        if not any((self._directories[0] / file).exists() for file in ("cpu.max", "cpu.cfs_quota_us")):
            raise OSError(f"{self._directories[0]} has no CPU controller")

    def remove(self) -> None:
        """Whoever lived in it must have ended."""
        for directory in self._directories:
            if directory.exists():
                directory.rmdir()

    def take(self, pid: int) -> None:
        """A process lives here from now on."""
        for directory in self._directories:
            (directory / "cgroup.procs").write_text(str(pid))

    @property
    def quota(self) -> float:
        """The share of all CPUs that it may use, by the kernel's own files; 1 is no limit."""
        first = self._directories[0]
        if (first / "cpu.max").exists():
            quota, period = (first / "cpu.max").read_text().split()
        else:
            quota, period = (
                (first / f"cpu.cfs_{name}_us").read_text().strip() for name in ("quota", "period")
            )
        if quota in ("max", "-1"):
            return 1.0
        return min(1.0, float(quota) / float(period) / (os.cpu_count() or 1))


def obstacle() -> str:
    """Why none can be made here; empty if one can."""
    try:
        with own_group():
            return ""
    except OSError as error:
        return f"no control group can be made here: {error}"


@contextmanager
def own_group() -> Iterator[Group]:
    """One that is gone at the end. Raises OSError where none can be made."""
    group = Group()
    try:
        group.make()
        yield group
    finally:
        group.remove()
