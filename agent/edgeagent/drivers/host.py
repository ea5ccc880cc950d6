"""The machine itself: CPU, load, pressure, memory, network and disk, as the Linux kernel counts them.

Sources: Linux, proc(5) for stat, loadavg, meminfo and diskstats; Documentation/accounting/psi.rst for
pressure; Documentation/ABI/testing/sysfs-class-net-statistics for the network. A source that this
kernel does not have gives no channel.
"""

from __future__ import annotations

import os
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated

import msgspec

from edgeagent.drivers.counter import WrapCounter
from edgeagent.drivers.sysfs import Attribute, listing, read_all, reason
from edgeagent_sdk.channel import Channel, Fault, Value
from edgeagent_sdk.driver import Found, Host, Options, Sensor
from edgeagent_sdk.errors import DriverError
from edgeagent_sdk.names import slug, unique

#: USER_HZ, the unit of times in /proc/stat.
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")

#: /proc/diskstats counts sectors of 512 bytes, whatever the disk's own are.
_SECTOR_BYTES = 512.0


#: Of a mount point's path, so much stands in its channels' names.
_NAME_MAX = 50


class HostOptions(Options):
    """What to leave out."""

    exclude_interfaces: Annotated[
        tuple[str, ...], msgspec.Meta(description="network interfaces to leave out, as patterns")
    ] = ("lo", "veth*", "br-*", "docker*")
    exclude_disks: Annotated[tuple[str, ...], msgspec.Meta(description="disks to leave out, as patterns")] = (
        "loop*",
        "ram*",
        "zram*",
        "sr*",
        "fd*",
    )
    filesystems: Annotated[
        tuple[str, ...], msgspec.Meta(description="mount points whose used and total bytes are read")
    ] = ("/",)


class _Source(ABC):
    """One file of the kernel and the channels it gives."""

    channels: list[Channel]

    @abstractmethod
    def values(self) -> Sequence[Value]:
        """One value for each channel. Raises OSError or ValueError if the file cannot be read."""

    def close(self) -> None:
        """Let go of open files."""
        return


class HostSensor(Sensor):
    """Everything that the kernel tells about the machine as a whole."""

    Options = HostOptions
    summary = "CPU, load, pressure, memory, network and disk of this machine"

    def __init__(self, host: Host, options: HostOptions) -> None:
        super().__init__(host, options)
        self._sources: list[_Source] = []

    @classmethod
    def discover(cls, host: Host) -> Iterable[Found]:
        """Every Linux has it."""
        if host.path("/proc/stat").is_file():
            yield Found("host", {}, cls.summary)

    def open(self) -> Sequence[Channel]:
        """Find which sources this kernel has."""
        self._sources = []
        for make in _SOURCES:
            try:
                source = make(self.host, self.options)
                source.values()
            except (OSError, ValueError, LookupError, ArithmeticError):
                continue  # this kernel does not have it, or not in a form we know
            if source.channels:
                self._sources.append(source)
        if not self._sources:
            raise DriverError(f"nothing to read in {self.host.path('/proc')}", "is /proc mounted?")
        return [channel for source in self._sources for channel in source.channels]

    def read(self) -> Sequence[Value]:
        """Every source; one that fails costs its own channels only."""
        return [value for source in self._sources for value in _values(source)]

    def close(self) -> None:
        """Close the files."""
        for source in self._sources:
            source.close()


def _values(source: _Source) -> Sequence[Value]:
    """One value for each channel of a source, whatever its file says now."""
    try:
        values = source.values()
        if len(values) == len(source.channels):
            return values
        why = f"not in the form expected: {len(values)} values for {len(source.channels)} channels"
    except OSError as error:
        why = reason(error)
    except (ValueError, LookupError, ArithmeticError) as error:
        why = f"not in the form expected: {error}"
    return [Fault(why)] * len(source.channels)


class _Cpu(_Source):
    """/proc/stat: seconds in each mode, summed over the CPUs, and the share of them in use."""

    _MODES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
    _IDLE = (3, 4)  # idle and iowait

    def __init__(self, host: Host, options: HostOptions) -> None:
        self._path = host.path("/proc/stat")
        self._before = (0.0, 0.0)
        self._times = [0.0] * len(self._MODES)
        self.channels = [Channel("cpu", "utilization", description="share of all CPUs not idle")]
        self.channels += [Channel(f"cpu-{m}", "duration", description=f"CPU time: {m}") for m in self._MODES]

    def values(self) -> Sequence[Value]:
        fields = self._path.read_bytes().split(b"\n", 1)[0].split()
        if fields[0] != b"cpu":
            raise ValueError("no cpu line")
        times = [int(field) / _TICKS_PER_S for field in fields[1 : 1 + len(self._MODES)]]
        times += [0.0] * (len(self._MODES) - len(times))
        total, idle = sum(times), sum(times[i] for i in self._IDLE)
        spent, idled = total - self._before[0], idle - self._before[1]
        self._before = (total, idle)
        # The kernel's idle and iowait times may run back a little (proc(5)); a counter does not,
        # and a share stays between 0 and 1.
        self._times = [max(pair) for pair in zip(times, self._times, strict=True)]
        used = min(1.0, max(0.0, 1.0 - idled / spent)) if spent > 0 else 0.0
        return [used, *self._times]


class _Load(_Source):
    """/proc/loadavg: runnable tasks, averaged over 1, 5 and 15 minutes."""

    def __init__(self, host: Host, options: HostOptions) -> None:
        self._path = host.path("/proc/loadavg")
        self.channels = [
            Channel(f"load-{m}min", "load", description=f"load average over {m} minutes") for m in (1, 5, 15)
        ]

    def values(self) -> Sequence[Value]:
        one, five, fifteen = self._path.read_bytes().split()[:3]
        return [float(one), float(five), float(fifteen)]


class _Pressure(_Source):
    """/proc/pressure/*: share of time in which tasks waited for a resource, and that time's sum."""

    _LINE = re.compile(rb"(some|full) avg10=([\d.]+) .*total=(\d+)")

    def __init__(self, host: Host, options: HostOptions) -> None:
        self._files = [p for p in listing(host.path("/proc/pressure")) if p.name in ("cpu", "io", "memory")]
        self.channels = [
            Channel(f"pressure-{path.name}-{share.decode()}", quantity, description=description)
            for path in self._files
            for share, _, _ in self._LINE.findall(path.read_bytes())
            for quantity, description in (
                ("utilization", "share of the last 10 s in which tasks waited"),
                ("duration", "time in which tasks waited"),
            )
        ]

    def values(self) -> Sequence[Value]:
        return [
            value
            for path in self._files
            for _, percent, total_us in self._LINE.findall(path.read_bytes())
            for value in (float(percent) / 100, int(total_us) * 1e-6)
        ]


class _Memory(_Source):
    """/proc/meminfo: bytes."""

    _ROWS = (
        ("MemTotal", "memory-total"),
        ("MemAvailable", "memory-available"),
        ("SwapTotal", "swap-total"),
        ("SwapFree", "swap-free"),
    )
    _LINE = re.compile(rb"^(\w+):\s+(\d+) kB$", re.MULTILINE)

    def __init__(self, host: Host, options: HostOptions) -> None:
        self._path = host.path("/proc/meminfo")
        self.channels = [Channel(name, "size", description=key) for key, name in self._ROWS]
        self.channels.append(Channel("memory", "utilization", description="share of memory not available"))

    def values(self) -> Sequence[Value]:
        found = {key.decode(): int(kib) * 1024.0 for key, kib in self._LINE.findall(self._path.read_bytes())}
        sizes = [found[key] for key, _ in self._ROWS]
        return [*sizes, 1.0 - sizes[1] / sizes[0]]


class _Network(_Source):
    """Bytes received and sent by each interface."""

    def __init__(self, host: Host, options: HostOptions) -> None:
        interfaces = [
            path
            for path in listing(host.path("/sys/class/net"))
            if not any(fnmatch(path.name, pattern) for pattern in options.exclude_interfaces)
            and (path / "statistics").is_dir()
        ]
        self._files = [
            Attribute(path / "statistics" / file) for path in interfaces for file in ("rx_bytes", "tx_bytes")
        ]
        self.channels = [
            Channel(f"{name}-{way}", "data", description=f"{path.name}: bytes {words}")
            for name, path in zip(unique([slug(p.name) for p in interfaces]), interfaces, strict=True)
            for way, words in (("rx", "received"), ("tx", "sent"))
        ]
        self._totals = [WrapCounter(None) for _ in self._files]  # one that is plugged in again begins at 0

    def values(self) -> Sequence[Value]:
        now_s = time.monotonic()
        return [
            value if isinstance(value, Fault) else total.update(value, now_s)
            for value, total in zip(read_all(self._files), self._totals, strict=True)
        ]

    def close(self) -> None:
        for file in self._files:
            file.close()


class _Disk(_Source):
    """/proc/diskstats: bytes read and written, and time busy, of each whole disk."""

    # Fields after the name, counted from 0 (Documentation/admin-guide/iostats.rst), and where they wrap:
    # milliseconds are an unsigned int of the kernel's, 50 days of a busy disk.
    _FIELDS = (
        (2, "read", "data", _SECTOR_BYTES, None),
        (6, "written", "data", _SECTOR_BYTES, None),
        (9, "busy", "duration", 1e-3, 2.0**32),
    )

    def __init__(self, host: Host, options: HostOptions) -> None:
        self._path = host.path("/proc/diskstats")
        block = host.path("/sys/block")
        whole = {path.name.replace("!", "/") for path in listing(block)} if block.is_dir() else None
        self._disks = [
            name
            for name in self._rows()
            if (whole is None or name in whole)
            and not any(fnmatch(name, pattern) for pattern in options.exclude_disks)
        ]
        self.channels = [
            Channel(f"{name}-{what}", quantity, description=f"disk {disk}: {what}")
            for name, disk in zip(unique([slug(d) for d in self._disks]), self._disks, strict=True)
            for _, what, quantity, _, _ in self._FIELDS
        ]
        self._totals = {disk: [WrapCounter(wrap) for *_, wrap in self._FIELDS] for disk in self._disks}

    def _rows(self) -> dict[str, list[bytes]]:
        rows = [line.split() for line in self._path.read_bytes().splitlines()]
        return {row[2].decode("utf-8", "replace"): row[3:] for row in rows if len(row) >= 13}

    def values(self) -> Sequence[Value]:
        rows, now_s = self._rows(), time.monotonic()
        return [
            total.update(int(rows[disk][field]), now_s) * scale
            if disk in rows
            else Fault(f"disk {disk} is gone")
            for disk, totals in self._totals.items()
            for total, (field, _, _, scale, _) in zip(totals, self._FIELDS, strict=True)
        ]


class _Filesystem(_Source):
    """Bytes used and in all on mounted file systems (statvfs(3))."""

    def __init__(self, host: Host, options: HostOptions) -> None:
        self._mounts = [host.path(mount) for mount in options.filesystems]
        names = unique([slug(mount.strip("/")[:_NAME_MAX], "root") for mount in options.filesystems])
        self.channels = [
            Channel(f"fs-{name}-{what}", "size", description=f"file system {mount}: bytes {what}")
            for name, mount in zip(names, options.filesystems, strict=True)
            for what in ("used", "total")
        ]

    def values(self) -> Sequence[Value]:
        return [value for mount in self._mounts for value in self._one(mount)]

    @staticmethod
    def _one(mount: Path) -> tuple[Value, Value]:
        try:
            stat = os.statvfs(mount)
        except OSError as error:
            fault = Fault(f"{mount}: {reason(error)}")
            return fault, fault
        return float((stat.f_blocks - stat.f_bfree) * stat.f_frsize), float(stat.f_blocks * stat.f_frsize)


_SOURCES: tuple[type[_Cpu | _Load | _Pressure | _Memory | _Network | _Disk | _Filesystem], ...] = (
    _Cpu,
    _Load,
    _Pressure,
    _Memory,
    _Network,
    _Disk,
    _Filesystem,
)
