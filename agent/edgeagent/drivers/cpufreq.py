"""Clock frequencies of the CPUs. Source: Linux, Documentation/admin-guide/pm/cpufreq.rst (kHz)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from edgeagent.drivers.sysfs import Attribute, listing, read_all, text
from edgeagent_sdk.channel import Channel, Value
from edgeagent_sdk.driver import Found, Host, Options, Sensor
from edgeagent_sdk.errors import DriverError

_POLICIES = "/sys/devices/system/cpu/cpufreq"

#: File, and what its channel is called after the policy's name.
_FILES = (("scaling_cur_freq", ""), ("scaling_min_freq", "-min"), ("scaling_max_freq", "-max"))


class CpufreqSensor(Sensor):
    """All frequency policies: the frequency now, and the limits between which the governor chooses."""

    summary = "CPU clock frequencies and their limits"

    def __init__(self, host: Host, options: Options) -> None:
        super().__init__(host, options)
        self._files: list[Attribute] = []

    @classmethod
    def discover(cls, host: Host) -> Iterable[Found]:
        """One device, if there is any policy."""
        policies = listing(host.path(_POLICIES), "policy*")
        if policies:
            yield Found("cpufreq", {}, f"{len(policies)} frequency policies")

    def open(self) -> Sequence[Channel]:
        """Find the policies."""
        channels = []
        self._files = []
        for policy in listing(self.host.path(_POLICIES), "policy*"):
            cpus = text(policy / "related_cpus")
            for file, suffix in _FILES:
                if (policy / file).exists():
                    self._files.append(Attribute(policy / file, 1e3))
                    channels.append(
                        Channel(f"{policy.name}{suffix}", "frequency", description=f"CPUs {cpus}")
                    )
        if not channels:
            raise DriverError(f"no frequency policy in {self.host.path(_POLICIES)}")
        return channels

    def read(self) -> Sequence[Value]:
        """Every frequency in Hz."""
        return read_all(self._files)

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            file.close()
