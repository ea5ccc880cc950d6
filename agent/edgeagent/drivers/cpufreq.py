"""Clock frequencies of the CPUs. Source: Linux, Documentation/admin-guide/pm/cpufreq.rst (kHz).

The kernel keeps a limit within those of the hardware, and of a maximum below the minimum it takes the
maximum: what was set is read back by whoever set it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from edgeagent.drivers.clocks import ClocksSensor
from edgeagent.drivers.knob import Knob
from edgeagent.drivers.sysfs import Attribute, listing, number, text
from edgeagent_sdk.channel import Channel
from edgeagent_sdk.driver import ActuatorInfo, Found, Host
from edgeagent_sdk.errors import DriverError

_POLICIES = "/sys/devices/system/cpu/cpufreq"

#: File, and what its channel is called after the policy's name.
_FILES = (("scaling_cur_freq", ""), ("scaling_min_freq", "-min"), ("scaling_max_freq", "-max"))

#: The files among them that can be written.
_LIMITS = _FILES[1:]

_HZ_PER_COUNT = 1e3


class CpufreqSensor(ClocksSensor):
    """All frequency policies: the frequency now, and the limits between which the governor chooses."""

    summary = "CPU clock frequencies and their limits"

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
        policies = listing(self.host.path(_POLICIES), "policy*")
        self._knobs = [knob for policy in policies for knob in _limits(policy)]
        for policy in policies:
            cpus = text(policy / "related_cpus")
            for file, suffix in _FILES:
                if (policy / file).exists():
                    self._files.append(Attribute(policy / file, _HZ_PER_COUNT))
                    channels.append(
                        Channel(f"{policy.name}{suffix}", "frequency", description=f"CPUs {cpus}")
                    )
        if not channels:
            raise DriverError(f"no frequency policy in {self.host.path(_POLICIES)}")
        return channels


def _limits(policy: Path) -> Iterator[Knob]:
    lowest, highest = number(policy / "cpuinfo_min_freq"), number(policy / "cpuinfo_max_freq")
    if lowest is None or highest is None:
        return
    cpus = text(policy / "related_cpus")
    for file, suffix in _LIMITS:
        if number(policy / file) is not None:
            info = ActuatorInfo(
                f"{policy.name}{suffix}",
                "frequency",
                lowest * _HZ_PER_COUNT,
                highest * _HZ_PER_COUNT,
                f"{file} of CPUs {cpus}",
                _HZ_PER_COUNT,
            )
            yield Knob(info, policy / file, _HZ_PER_COUNT)
