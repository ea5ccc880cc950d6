"""A control group as a device: its quota stands where a clock is missing, as a duty cycle of the CPUs."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from math import inf
from pathlib import Path
from typing import Annotated, Final

import msgspec

from edgeagent.drivers.cgroup.group import Counts, Group, bounded, group
from edgeagent.drivers.counter import TotalsFile, WrapCounter
from edgeagent.drivers.sysfs import text
from edgeagent_sdk.channel import Channel, Fault, Value
from edgeagent_sdk.config import ConfigError, Problem
from edgeagent_sdk.driver import Actuator, ActuatorInfo, Found, Host, Options, Sensor
from edgeagent_sdk.errors import DriverError
from edgeagent_sdk.names import slug, unique

#: The kernel takes no shorter quota (min_cfs_quota_period of kernel/sched/core.c).
_QUOTA_MIN_US: Final = 1000

_CHANNELS: Final = (
    Channel("quota", "duty", description="share of all CPUs that the group may use; 1 is no limit"),
    Channel("cpu", "utilization", description="share of all CPUs that the group used"),
    Channel("busy", "utilization", description="share of what it may use that the group used"),
    Channel("cpu", "duration", description="CPU time that the group used"),
    Channel("throttled", "duration", description="time for which its quota kept it from running"),
    Channel("periods", "count", description="periods in which it wanted to run"),
    Channel("throttled", "count", description="periods in which its quota was not enough"),
)


class CgroupOptions(Options):
    """Which group."""

    group: Annotated[
        str,
        msgspec.Meta(description="path below /sys/fs/cgroup, e.g. system.slice/camera.service", min_length=1),
    ]

    def __post_init__(self) -> None:
        """See that it stays below. Raises ConfigError."""
        if ".." in Path(self.group).parts:
            words = f"{self.group!r} leads upwards; give its path below /sys/fs/cgroup without .."
            raise ConfigError([Problem("", 0, "group", words)])


class CgroupSensor(Sensor):
    """What a group may use of the CPUs and what it uses; the quota can be set, in the place of a clock."""

    Options = CgroupOptions
    summary = "control groups: CPU quota, use and throttling"

    def __init__(self, host: Host, options: CgroupOptions) -> None:
        super().__init__(host, options)
        self._group: Group | None = None
        self._cpus = 1
        self._counters = {name: WrapCounter(None) for name in Counts._fields}
        state = host.state_dir and host.state_dir / f"cgroup-{slug(options.group)}.json"
        self._totals = TotalsFile(state, text(host.path("/proc/sys/kernel/random/boot_id")))
        self._restored = False

    @classmethod
    def discover(cls, host: Host) -> Iterable[Found]:
        """The groups that somebody has given a quota."""
        paths = list(dict.fromkeys(bounded(host)))
        names = unique([slug(Path(path).name.removesuffix(".service")) for path in paths])
        for name, path in zip(names, paths, strict=True):
            yield Found(name, {"group": path}, f"control group {path}, with a quota")

    def open(self) -> Sequence[Channel]:
        """Find the group, and take up its totals where the last run left them."""
        self._group = group(self.host, self.options.group)
        self._cpus = _count(text(self.host.path("/sys/devices/system/cpu/online"), "0"))
        if not self._restored:
            self._totals.restore(self._counters)
            self._restored = True
        self.read()  # its use is a difference: the first reading to be sent has this one to differ from
        return _CHANNELS

    def read(self) -> Sequence[Value]:
        """The quota, the use since the last reading, and what has been counted."""
        now_s = time.monotonic()
        counts = self._opened.counts()
        totals = {
            name: count if isinstance(count, Fault) else self._counters[name].update(count, now_s)
            for name, count in counts._asdict().items()
        }
        self._totals.save(self._counters)
        quota = Knob(self._opened, self._cpus).get()
        cpus = counts.used_s if isinstance(counts.used_s, Fault) else self._counters["used_s"].rate
        if cpus is None:
            cpus = Fault("its use needs two readings")
        if isinstance(cpus, Fault):
            return [quota, cpus, cpus, *totals.values()]
        share = cpus / self._cpus
        return [quota, min(1.0, share), min(1.0, share / quota), *totals.values()]

    def close(self) -> None:
        """Save the totals."""
        if self._group:
            self._totals.save(self._counters, now=True)

    def actuators(self) -> Sequence[Actuator]:
        """The quota."""
        return [Knob(self._opened, self._cpus)] if self._group else []

    @property
    def _opened(self) -> Group:
        if self._group is None:
            raise DriverError("it is not open")
        return self._group


class Knob(Actuator):
    """The quota as a share of all CPUs; 1 takes it away."""

    def __init__(self, of: Group, cpus: int) -> None:
        self._group = of
        self._whole_us = of.quota().period_us * cpus
        self.info = ActuatorInfo(
            "quota",
            "duty",
            min(1.0, _QUOTA_MIN_US / self._whole_us),
            1.0,
            "share of all CPUs that the group may use; 1 is no limit",
            1.0 / self._whole_us,
        )

    def get(self) -> float:
        """What the kernel holds now."""
        return min(1.0, self._group.quota().quota_us / self._whole_us)

    def set(self, value: float) -> None:
        """Write the nearest whole µs."""
        self._group.limit(inf if value >= 1.0 else max(_QUOTA_MIN_US, round(value * self._whole_us)))


def _count(ranges: str) -> int:
    """How many CPUs a list names: ``0-3,8`` → 5."""
    ends = (part.partition("-") for part in ranges.split(","))
    return sum(int(last or first) - int(first) + 1 for first, _, last in ends)
