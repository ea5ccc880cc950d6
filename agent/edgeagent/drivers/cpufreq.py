"""Clock frequencies of the CPUs. Source: Linux, Documentation/admin-guide/pm/cpufreq.rst (kHz).

The kernel keeps a limit within those of the hardware, and of a maximum below the minimum it takes the
maximum: what was set is read back by whoever set it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from edgeagent.drivers.clocks import ClocksSensor, settable
from edgeagent.drivers.cooling import throttling
from edgeagent.drivers.cpushare import CpuShares
from edgeagent.drivers.knob import Knob
from edgeagent.drivers.sysfs import Attribute, listing, number, text
from edgeagent_sdk.channel import Channel, Value
from edgeagent_sdk.driver import ActuatorInfo, Found, Host, Options
from edgeagent_sdk.errors import DriverError

_POLICIES = "/sys/devices/system/cpu/cpufreq"

#: File, and what its channel is called after the policy's name.
_FILES = (("scaling_cur_freq", ""), ("scaling_min_freq", "-min"), ("scaling_max_freq", "-max"))

#: The files among them that can be written.
_LIMITS = _FILES[1:]

_HZ_PER_COUNT = 1e3


class CpufreqSensor(ClocksSensor):
    """All frequency policies: the frequency now, the limits between which the governor chooses, and how busy
    their CPUs are."""

    summary = "CPU clock frequencies and their limits"

    def __init__(self, host: Host, options: Options) -> None:
        super().__init__(host, options)
        self._shares: CpuShares | None = None

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
        self._knobs = [knob for policy in policies for knob in _limits(self.host, policy)]
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
        return channels + self._busy(policies)

    def read(self) -> Sequence[Value]:
        """Every frequency in Hz, then every share."""
        return [*super().read(), *(self._shares.read() if self._shares else ())]

    def _busy(self, policies: Sequence[Path]) -> list[Channel]:
        """Channels of how busy the policies' CPUs are, where the kernel tells."""
        groups = [[int(cpu) for cpu in text(policy / "related_cpus").split()] for policy in policies]
        self._shares = CpuShares(self.host, groups)
        if not self._shares.known:
            self._shares = None
            return []
        return [
            Channel(
                f"{policy.name}-busy",
                "utilization",
                description=f"share of CPUs {' '.join(map(str, cpus))} not idle",
            )
            for policy, cpus in zip(policies, groups, strict=True)
        ]


class _Limit(Knob):
    """A limit of a policy.

    While the kernel cools, the file shows the kernel's own bound where that is lower. What was set comes back
    when it has cooled, so that is still what holds.
    """

    def __init__(self, host: Host, info: ActuatorInfo, path: Path) -> None:
        super().__init__(info, path, _HZ_PER_COUNT)
        self._host = host
        self._told: float | None = None

    def get(self) -> float:
        """What was set, or what another has made of it."""
        value = super().get()
        pulled_down = self._told is not None and value < self._told and throttling(self._host)
        return self._told if self._told is not None and pulled_down else value

    def set(self, value: float) -> None:
        """Write it."""
        super().set(value)
        self._told = value


def _limits(host: Host, policy: Path) -> Iterator[Knob]:
    lowest, highest = number(policy / "cpuinfo_min_freq"), number(policy / "cpuinfo_max_freq")
    if lowest is None or highest is None:
        return
    cpus = text(policy / "related_cpus")
    steps = [int(word) for word in text(policy / "scaling_available_frequencies").split() if word.isdigit()]
    # The clocks of a boost stand in no list, but for the highest of them.
    choices = tuple(step * _HZ_PER_COUNT for step in sorted({*steps, int(highest)} if steps else steps))
    for file, suffix in _LIMITS:
        if settable(policy / file):
            info = ActuatorInfo(
                f"{policy.name}{suffix}",
                "frequency",
                lowest * _HZ_PER_COUNT,
                highest * _HZ_PER_COUNT,
                f"{file} of CPUs {cpus}",
                _HZ_PER_COUNT,
                choices,
            )
            yield _Limit(host, info, policy / file)
