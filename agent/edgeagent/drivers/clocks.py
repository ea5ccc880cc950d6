"""What the drivers of the kernel's scaled clocks share: files that are read, limits that can be set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgeagent.drivers.knob import Knob
from edgeagent.drivers.sysfs import Attribute, number, read_all, text
from edgeagent_sdk.channel import Value
from edgeagent_sdk.driver import Actuator, Host, Options, Sensor


def settable(file: Path) -> bool:
    """Whether a file is a limit, though it may not tell its number just now: something may be owed to it."""
    return file.exists() and (not text(file) or number(file) is not None)


class ClocksSensor(Sensor):
    """Derive from it; `open` finds the files, in the order of its channels, and the limits."""

    def __init__(self, host: Host, options: Options) -> None:
        super().__init__(host, options)
        self._files: list[Attribute] = []
        self._knobs: list[Knob] = []

    def read(self) -> Sequence[Value]:
        """Every frequency in Hz."""
        return read_all(self._files)

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            file.close()

    def actuators(self) -> Sequence[Actuator]:
        """The limits of each clock, in Hz."""
        return self._knobs
