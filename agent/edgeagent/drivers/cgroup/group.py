"""One control group's CPU files, of version 2 or 1, in the same words.

Sources: Linux, Documentation/admin-guide/cgroup-v2.rst (``cpu.max``, ``cpu.stat``), and for version 1
Documentation/scheduler/sched-bwc.rst (``cpu.cfs_quota_us``, ``throttled_time`` in ns) and
admin-guide/cgroup-v1/cpuacct.rst (``cpuacct.usage`` in ns).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf, isinf
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from edgeagent.drivers.sysfs import listing, reason
from edgeagent_sdk.channel import Fault
from edgeagent_sdk.driver import Host
from edgeagent_sdk.errors import DriverError

#: Where the hierarchies are mounted: all of version 2, or version 1 with a directory for each controller.
ROOT: Final = "/sys/fs/cgroup"
_CPU_V1: Final = ("cpu", "cpu,cpuacct")
_USAGE_V1: Final = ("cpuacct", "cpu,cpuacct", "cpu")

#: The kernel's own period, which ``cpu.max`` of a made-up tree may leave out.
_PERIOD_US: Final = "100000"

#: How deep `found` looks: slice, service, and one below.
_DEPTH: Final = 3


class Quota(NamedTuple):
    """So much CPU time in each period; `quota_us` is infinite where there is no limit."""

    quota_us: float
    period_us: float


class Counts(NamedTuple):
    """What a group has counted since it was made.

    Args:
        used_s: CPU time; a fault where nobody counts it.
        throttled_s: time for which it was kept from running.
        periods, throttled: all that it wanted to run in, and those in which its quota was not enough.
    """

    used_s: float | Fault
    throttled_s: float
    periods: float
    throttled: float


class Group(Protocol):
    """A group of either version. Each method raises DriverError where its files cannot be had."""

    def quota(self) -> Quota:
        """What holds now."""
        ...

    def limit(self, quota_us: float) -> None:
        """Have so much in each period; infinite for no limit. The period stays what it is."""
        ...

    def counts(self) -> Counts:
        """What has been counted."""
        ...


class GroupV2(NamedTuple):
    """Version 2: all in one directory."""

    directory: Path

    def quota(self) -> Quota:
        file = self.directory / "cpu.max"
        quota, _, period = _read(file).partition(" ")
        return Quota(inf if quota == "max" else _number(quota, file), _number(period or _PERIOD_US, file))

    def limit(self, quota_us: float) -> None:
        _write(self.directory / "cpu.max", "max" if isinf(quota_us) else f"{quota_us:.0f}")

    def counts(self) -> Counts:
        rows = _rows(self.directory / "cpu.stat")
        return Counts(
            rows.get("usage_usec", 0.0) / 1e6,
            rows.get("throttled_usec", 0.0) / 1e6,
            rows.get("nr_periods", 0.0),
            rows.get("nr_throttled", 0.0),
        )


class GroupV1(NamedTuple):
    """Version 1; the time used is counted by another controller, which may be mounted elsewhere.

    Its group of that path may be missing: who made the one has not made the other.
    """

    directory: Path
    usage: Path

    def quota(self) -> Quota:
        quota, period = self.directory / "cpu.cfs_quota_us", self.directory / "cpu.cfs_period_us"
        quota_us = _number(_read(quota), quota)
        return Quota(inf if quota_us < 0 else quota_us, _number(_read(period), period))

    def limit(self, quota_us: float) -> None:
        _write(self.directory / "cpu.cfs_quota_us", "-1" if isinf(quota_us) else f"{quota_us:.0f}")

    def counts(self) -> Counts:
        rows = _rows(self.directory / "cpu.stat")
        return Counts(
            self._used_s(),
            rows.get("throttled_time", 0.0) / 1e9,
            rows.get("nr_periods", 0.0),
            rows.get("nr_throttled", 0.0),
        )

    def _used_s(self) -> float | Fault:
        if not self.usage.exists() and self.directory.exists():
            return Fault(f"no such file: {self.usage}; make the group below the controller cpuacct as well")
        return _number(_read(self.usage), self.usage) / 1e9


def group(host: Host, path: str) -> Group:
    """The group of that path below the hierarchies' root. Raises DriverError if it is not there."""
    root, path = host.path(ROOT), path.strip("/")
    if (root / path / "cpu.max").exists():
        return GroupV2(root / path)
    for controller in _CPU_V1:
        directory = root / controller / path
        if (directory / "cpu.cfs_quota_us").exists():
            usages = [root / name / path / "cpuacct.usage" for name in _USAGE_V1]
            return GroupV1(directory, next((file for file in usages if file.exists()), usages[0]))
    if (root / path / "cpu.stat").exists():
        remedy = f"switch it on in the group above: echo +cpu > {root / path}/../cgroup.subtree_control"
        raise DriverError(f"{root / path} has no CPU controller", remedy)
    raise DriverError(f"no control group {path!r} under {root}", "start what makes it, or correct `group`")


def bounded(host: Host) -> Iterator[str]:
    """The paths of groups that somebody has given a quota: a limit that can be moved."""
    root = host.path(ROOT)
    for base in (root, *(root / controller for controller in _CPU_V1)):
        for depth in range(1, _DEPTH + 1):
            for file in listing(base, "*/" * depth + "cpu.max") + listing(
                base, "*/" * depth + "cpu.cfs_quota_us"
            ):
                path = str(file.parent.relative_to(base))
                try:
                    if not isinf(group(host, path).quota().quota_us):
                        yield path
                except DriverError:
                    continue


def _rows(file: Path) -> Mapping[str, float]:
    """A flat keyed file: ``name value`` in each line."""
    pairs = (line.split() for line in _read(file).splitlines())
    return {pair[0]: _number(pair[1], file) for pair in pairs if len(pair) == 2}


def _number(word: str, file: Path) -> float:
    try:
        return float(word)
    except ValueError:
        raise DriverError(f"{file}: {word[:40]!r} is not a number") from None


def _read(file: Path) -> str:
    try:
        return file.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise DriverError(f"{file}: {reason(error) if isinstance(error, OSError) else 'no text'}") from None


def _write(file: Path, value: str) -> None:
    try:
        file.write_text(value, "ascii")
    except OSError as error:
        remedy = (
            "run the agent as root; systemd's ProtectControlGroups= must be off, or the group delegated to it"
        )
        raise DriverError(f"{file}: cannot be set to {value}: {reason(error)}", remedy) from None
