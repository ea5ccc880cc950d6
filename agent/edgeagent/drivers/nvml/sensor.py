"""The `nvml` driver: one GPU, or one MIG instance."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from edgeagent.drivers.counter import TotalsFile, WrapCounter
from edgeagent.drivers.nvml.gpus import discover, find
from edgeagent.drivers.nvml.library import Library
from edgeagent.drivers.nvml.limits import limits
from edgeagent.drivers.nvml.lock import Lock
from edgeagent.drivers.nvml.measurements import Measurement, measurements, throttle_words, value
from edgeagent.drivers.nvml.options import NvmlOptions
from edgeagent.drivers.sysfs import text
from edgeagent_sdk.channel import Channel, Fault, Value
from edgeagent_sdk.driver import Actuator, Found, Host, Occurrence, Sensor
from edgeagent_sdk.errors import DriverError
from edgeagent_sdk.messages import Severity
from edgeagent_sdk.names import slug

#: No board draws more, by far; a gain of energy beyond it is a glitch of the counter.
_POWER_MAX_W = 10_000.0

#: Bits of the throttle code that deserve an event: what slows a GPU that has something to do, beyond the
#: limits that somebody set: slowdown of the hardware, heat, and the power brake.
_ALARMING = 0x8 | 0x20 | 0x40 | 0x80


class NvmlSensor(Sensor):
    """One GPU: power, energy, temperatures, clocks, and why it is slowed down."""

    Options = NvmlOptions
    summary = "NVIDIA GPUs: power, energy, temperatures, clocks, and their limits"

    def __init__(self, host: Host, options: NvmlOptions) -> None:
        super().__init__(host, options)
        self._library: Library | None = None
        self._uuid = ""
        self._measurements: list[Measurement] = []
        self._actuators: list[Actuator] = []
        self._energy = WrapCounter(None, _POWER_MAX_W)
        self._totals: TotalsFile | None = None
        self._lock: Lock | None = None
        self._slowed = 0
        self._news: list[Occurrence] = []

    @classmethod
    def discover(cls, host: Host) -> Iterable[Found]:
        """The GPUs and MIG instances of this machine."""
        return discover(host)

    def open(self) -> Sequence[Channel]:
        """Find the GPU, and what it measures and can be told."""
        library = self._library = Library()
        gpu = find(library, self.options.gpu)
        if self._uuid and gpu.uuid != self._uuid:
            raise DriverError(
                f"GPU {self.options.gpu} is another one now: {gpu.uuid}, not {self._uuid}",
                "name the GPU by its UUID in the option `gpu`, and restart the agent",
                retry_s=60.0,
            )
        self.identity = self._uuid = gpu.uuid
        self._measurements = measurements(library, gpu.handle)
        if self._totals is None or self._lock is None:
            boot_id = text(self.host.path("/proc/sys/kernel/random/boot_id"))
            self._totals = TotalsFile(self._state(".json"), boot_id)
            self._totals.restore({"energy": self._energy})
            self._lock = Lock(self._state("-lock.json"), boot_id)
        self._actuators = limits(library, gpu.handle, self._lock)
        return [measurement.channel for measurement in self._measurements]

    def read(self) -> Sequence[Value]:
        """One value for each channel; DriverError if the GPU or its driver is gone."""
        return [self._value(measurement) for measurement in self._measurements]

    def close(self) -> None:
        """Let go of NVML, and save the energy."""
        if self._totals:
            self._totals.save({"energy": self._energy}, now=True)
        if self._library:
            self._library.close()
        self._library = None

    def actuators(self) -> Sequence[Actuator]:
        """Power limit and clock limit, where the GPU has them."""
        return self._actuators

    def occurrences(self) -> Sequence[Occurrence]:
        """That it is slowed down by heat or hardware, and that it no longer is."""
        news, self._news = self._news, []
        return news

    def _state(self, suffix: str) -> Path | None:
        return self.host.state_dir and self.host.state_dir / f"nvml-{slug(self._uuid)}{suffix}"

    def _value(self, measurement: Measurement) -> Value:
        found = value(measurement)
        if isinstance(found, Fault):
            return found
        if measurement.channel.key == ("energy", "board"):
            found = self._energy.update(found, time.monotonic())
            assert self._totals is not None
            self._totals.save({"energy": self._energy})
        elif measurement.channel.name == "throttle":
            self._tell(int(found))
        return found

    def _tell(self, code: int) -> None:
        slowed = code & _ALARMING
        if slowed != self._slowed:
            words = f"slowed down: {throttle_words(code)}" if slowed else "no longer slowed down"
            severity = Severity.WARNING if slowed else Severity.INFO
            self._news.append(Occurrence("gpu-slowdown", f"the GPU is {words}", severity, "throttle"))
        self._slowed = slowed
