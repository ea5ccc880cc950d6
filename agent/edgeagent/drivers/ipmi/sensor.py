"""The `ipmi` driver: DCMI's power and the sensors of one BMC, this machine's or another's.

Each look is a run of `ipmitool` in a thread of the driver's own, since a BMC with many sensors takes
many seconds for it; `read` gives the last whole look, with its age.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence

from edgeagent.drivers.ipmi import output
from edgeagent.drivers.ipmi.limit import DcmiLimit
from edgeagent.drivers.ipmi.options import IpmiOptions
from edgeagent.drivers.ipmi.output import Sensed
from edgeagent.drivers.ipmi.tool import Refused, Tool
from edgeagent.drivers.poller import Poller
from edgeagent.drivers.stranger import stranger
from edgeagent_sdk.channel import Channel, Fault, Value
from edgeagent_sdk.driver import Found, Host, Sensor
from edgeagent_sdk.errors import DriverError
from edgeagent_sdk.names import slug, unique

#: A look that takes longer is not waited for: the one before has an age, and orders must not wait.
_WAIT_S = 1.0

#: DCMI's power, beside the sensors.
_POWER = Sensed("dcmi", "power", 0.0)
_READ_POWER = ("dcmi", "power", "reading")

Key = tuple[str, int]
"""A sensor's name, and which of those that share it."""

Look = dict[Key, Sensed]
"""What the BMC said at one time."""


class IpmiSensor(Sensor):
    """One BMC."""

    Options = IpmiOptions
    summary = "servers by their BMC (IPMI, DCMI): power, sensors, power limit"

    def __init__(self, host: Host, options: IpmiOptions) -> None:
        super().__init__(host, options)
        self._tool: Tool | None = None
        self._poller: Poller[Look] | None = None
        self._measures_power = True
        self._shown: Look = {}
        self._actuators: list[DcmiLimit] = []
        self._guid = ""

    @classmethod
    def discover(cls, host: Host) -> Iterable[Found]:
        """This machine's BMC."""
        from edgeagent.drivers.ipmi.discovery import discover

        return discover(host)

    def open(self) -> Sequence[Channel]:
        """See that the BMC answers, and what it measures."""
        tool = self._tool = Tool(self.options)
        begun_ns = time.monotonic_ns()
        if self.options.sensors:
            tool.keep_repository()
        self._measures_power = _measures_power(tool)
        first = self._look()
        self._show(first)
        self._actuators = list(self._limits(tool))
        self._poller = Poller(f"ipmi-{slug(tool.where)}", self._look, first, begun_ns)
        names = unique([f"{sensed.quantity}/{slug(sensed.name)}" for sensed in self._shown.values()])
        return [
            Channel(name.partition("/")[2], sensed.quantity, minimum=_least(sensed), description=sensed.name)
            for name, sensed in zip(names, self._shown.values(), strict=True)
        ]

    def read(self) -> Sequence[Value]:
        """What the last whole look brought. A look begins with each call, if none is under way."""
        assert self._poller is not None
        seen, begun_ns = self._poller.ask(_WAIT_S)
        self.age_s = (time.monotonic_ns() - begun_ns) / 1e9
        if self.age_s > self.options.max_age_s:
            return [Fault(f"the BMC last gave it {self.age_s:.0f} s ago")] * len(self._shown)
        if strangers := [s.name for key, s in seen.items() if s.quantity and key not in self._shown]:
            raise DriverError(
                f"the BMC shows what it did not show before: {', '.join(strangers[:5])}", retry_s=1.0
            )
        return [self._value(key, seen) for key in self._shown]

    def close(self) -> None:
        """End what runs of ipmitool."""
        if self._poller:
            self._poller.end()
        if self._tool:
            self._tool.end()
        self._poller, self._tool, self._actuators = None, None, []

    def actuators(self) -> Sequence[DcmiLimit]:
        """The power limit, if its bounds are given and the BMC has one."""
        return self._actuators

    def _look(self) -> Look:
        tool = self._tool
        if tool is None:
            raise DriverError("closed")
        said = tool.script("mc guid", *(["sdr elist full"] if self.options.sensors else []))
        sensed = output.sensors(said)
        if self._measures_power:
            sensed.append(_POWER._replace(value=_power(tool)))
        self._recognize(output.system_guid(said))
        return dict(zip(_keys(sensed), sensed, strict=True))

    def _show(self, seen: Look) -> None:
        """What was ever seen stays a channel, a fault while it is away."""
        self._shown |= {key: sensed for key, sensed in seen.items() if sensed.quantity}
        if not self._shown:
            raise DriverError(
                f"{self.options.address or 'this BMC'}: neither DCMI nor a sensor measures anything"
            )

    def _value(self, key: Key, seen: Look) -> Value:
        now, known = seen.get(key), self._shown[key]
        if now is None:
            return Fault("the BMC no longer lists it")
        if now.quantity not in ("", known.quantity):
            return Fault(f"it was a {known.quantity} and is now a {now.quantity}")
        return now.value

    def _recognize(self, guid: str) -> None:
        if self._guid and guid and guid != self._guid:
            where = self.options.address or "/dev/ipmi0"
            raise stranger(where, "machine", guid, self._guid, by="system GUID", retry_s=60.0)
        self.identity = self._guid = self._guid or guid

    def _limits(self, tool: Tool) -> Iterable[DcmiLimit]:
        low, high = self.options.limit_min_w, self.options.limit_max_w
        if 0 < low < high:
            limit = DcmiLimit(tool, low, high)
            try:
                limit.get()
            except Refused:
                return
            yield limit


def _measures_power(tool: Tool) -> bool:
    try:
        tool.run(*_READ_POWER)
    except Refused as error:
        return not error.unknown
    return True


def _power(tool: Tool) -> Value:
    try:
        return output.power(tool.run(*_READ_POWER))
    except Refused as error:
        return Fault(str(error))


def _keys(sensed: Sequence[Sensed]) -> list[Key]:
    """Their names; several sensors of one name are told apart by their order, which the BMC keeps."""
    seen: Counter[str] = Counter()
    keys = []
    for name, *_ in sensed:
        keys.append((name, seen[name]))
        seen[name] += 1
    return keys


def _least(sensed: Sensed) -> float | None:
    """A server takes power and gives none back."""
    return 0.0 if sensed.quantity == "power" else None
