"""Devices of a node without an agent: channels and actuators that a driver reads and steers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from edgeagent_sdk.channel import Channel, Fault, Value
from edgeagent_sdk.driver import ActuatorInfo, Driven, Source

CLOCKS_HZ = (0.4e9, 0.8e9, 1.2e9, 1.6e9)


@dataclass
class Wheel:
    """`edgeagent_sdk.driver.Drive`: remembers what it is told, and is in the state that a test wishes."""

    device: str
    info: ActuatorInfo
    state: Driven = field(default_factory=Driven)
    told: list[tuple[float, bool]] = field(default_factory=list)
    gone: int = 0

    def drive(self, value: float, *, insist: bool = False) -> None:
        self.told.append((value, insist))

    def let_go(self) -> None:
        self.gone += 1


class Bus:
    """`Readings` and `Actuators` in one.

    Attributes:
        values: by device/quantity/name.
        age_s: of all of them.
    """

    def __init__(self, *actuators: ActuatorInfo, device: str = "cpu", **values: float) -> None:
        self.version = 1
        self.age_s = 0.0
        self.wheels = [Wheel(device, info) for info in actuators]
        self.values: dict[str, Value] = dict(values)

    def find(self, pattern: str) -> Sequence[Source]:
        return [
            Source(device, Channel(name, quantity), lambda path=path: (self.values[path], self.age_s))  # type: ignore[misc]
            for path in self.values
            if fnmatchcase(path, pattern)
            for device, quantity, name in [path.split("/")]
        ]

    def waiting(self, pattern: str) -> Sequence[str]:
        return []

    def fail(self, path: str) -> None:
        """A sensor that is not read any more."""
        self.values[path] = Fault("stale")


class Wheels:
    """The actuators of a bus."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus

    @property
    def version(self) -> int:
        return self.bus.version

    def find(self, pattern: str) -> Sequence[Wheel]:
        return [w for w in self.bus.wheels if fnmatchcase(f"{w.device}/{w.info.name}", pattern)]


def policy(number: int, choices: tuple[float, ...] = CLOCKS_HZ) -> ActuatorInfo:
    """The bound of a cpufreq policy's clock."""
    return ActuatorInfo(f"policy{number}-max", "frequency", 0.4e9, 1.6e9, "", 1e3, choices)


def two_clusters() -> Bus:
    """Two policies with all their sensors."""
    bus = Bus(policy(0), policy(4))
    bus.values = {
        "cpu/frequency/policy0": 1.2e9,
        "cpu/frequency/policy4": 1.6e9,
        "cpu/utilization/policy0-busy": 0.25,
        "cpu/utilization/policy4-busy": 0.75,
        "heat/temperature/cpu-thermal": 51.0,
        "box/power/input": 7.5,
    }
    return bus
