"""A control group made for one worker, whose quota stands where its clock would."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from uuid import uuid4

from edgeagent_sdk.driver import Host, Sensor
from edgeagent_sdk.errors import EdgeError
from edgeagent_sdk.plugins import DRIVERS, load

_ROOT: Final = Path("/sys/fs/cgroup")

#: Where version 1 has its controllers; version 2 has all of them at the root.
_V1: Final = ("cpu", "cpu,cpuacct", "cpuacct")

#: Short beside an inference, so that a quota is nearly a clock; not much shorter than the kernel's tick, at
#: which time is counted.
_PERIOD_US: Final = 10_000


class Cell:
    """A group with its driver, which is found by its name among those that are installed.

    Raises:
        EdgeError: the driver cannot read it.
    """

    def __init__(self, directories: list[Path]) -> None:
        driver: type[Sensor] = load(DRIVERS, "cgroup")
        self._directories = directories
        self._sensor = driver(Host(), driver.Options(group=directories[0].name))
        self._channels = self._sensor.open()
        (self._quota,) = self._sensor.actuators()
        self._cpus = os.cpu_count() or 1

    def take(self, pid: int) -> None:
        """A process, with all its threads to come, lives here from now on."""
        for directory in self._directories:
            (directory / "cgroup.procs").write_text(str(pid))

    def allow(self, share: float) -> None:
        """A share of one CPU, from now on."""
        self._quota.set(max(self._quota.info.minimum, share / self._cpus))

    def used_s(self) -> float:
        """CPU time that has been used in it."""
        values = dict(zip((channel.key for channel in self._channels), self._sensor.read(), strict=True))
        return float(values["duration", "cpu"])  # type: ignore[arg-type]


@contextmanager
def cell() -> Iterator[Cell]:
    """A group of our own. Whoever lives in it must have ended by the end.

    Raises:
        EdgeError: none can be made here, and why.
    """
    directories: list[Path] = []
    try:
        _make(directories)
        yield Cell(directories)
    finally:
        for directory in directories:
            directory.rmdir()


def _make(made: list[Path]) -> None:
    name = f"edgeagent-live-{uuid4().hex[:8]}"
    bases = [_ROOT / base for base in _V1 if (_ROOT / base / "tasks").exists()] or [_ROOT]
    try:
        for base in dict.fromkeys(base.resolve() for base in bases):
            (base / name).mkdir()
            made.append(base / name)
        version_2 = made[0] / "cpu.max"
        if version_2.parent.parent == _ROOT:
            version_2.write_text(f"max {_PERIOD_US}")
        else:
            (made[0] / "cpu.cfs_period_us").write_text(str(_PERIOD_US))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise EdgeError(f"no control group can be made here: {error.filename}: {reason}") from None
