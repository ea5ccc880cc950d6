"""The box as a device of the agent: what it measures, and the fan's duty, which can be set."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Annotated

import msgspec

from edgeagent_fanbox.line import Line
from edgeagent_sdk import (
    Actuator,
    ActuatorInfo,
    Channel,
    DriverError,
    Fault,
    Found,
    Host,
    Options,
    Sensor,
    Value,
)

_BY_ID = "/dev/serial/by-id"

#: What is asked, the channel, and what one of the box's units is worth in the quantity's.
_MEASURES = (
    ("T", Channel("air", "temperature"), 1.0),
    ("R", Channel("fan", "speed"), 1.0),
    ("D", Channel("fan", "duty"), 0.01),
)


class FanboxOptions(Options):
    """How the box is reached, in agent.toml."""

    port: Annotated[str, msgspec.Meta(description="the serial port, best one of /dev/serial/by-id")]
    timeout_s: Annotated[float, msgspec.Meta(ge=0.05, le=10, description="for an answer of the box")] = 1.0


class FanboxSensor(Sensor):
    """One box."""

    Options = FanboxOptions
    summary = "fanbox: a thermometer and a fan on a serial line"

    def __init__(self, host: Host, options: FanboxOptions) -> None:
        super().__init__(host, options)
        self._line: Line | None = None

    @classmethod
    def discover(cls, host: Host) -> Iterable[Found]:
        """The boxes on USB, by what their adapters say they are; nothing is sent to them."""
        for path in sorted(host.path(_BY_ID).glob("usb-*_Fanbox_*")):
            options = {"port": f"{_BY_ID}/{path.name}"}
            allowed = os.access(path, os.R_OK | os.W_OK)
            yield Found(
                "fanbox",
                options,
                f"a fanbox, {path.name}",
                "" if allowed else f"{path}: permission denied",
                "" if allowed else "add the agent's user to the group dialout",
            )

    def open(self) -> Sequence[Channel]:
        """Open the port and make sure that a box is there."""
        self.close()
        self._line = Line(self.host.path(self.options.port), self.options.timeout_s)
        who = self._line.ask("ID?")
        if not who.startswith("FANBOX"):
            raise DriverError(f"{self.options.port}: no fanbox, it says {who[:40]!r}", "set another port")
        return [channel for _, channel, _ in _MEASURES]

    def read(self) -> Sequence[Value]:
        """The temperature in °C, the fan's speed in rpm and its duty from 0 to 1."""
        return [self.measure(letter, unit) for letter, _, unit in _MEASURES]

    def close(self) -> None:
        """Close the port."""
        if self._line:
            self._line.close()
            self._line = None

    def actuators(self) -> Sequence[Actuator]:
        """The fan."""
        return [FanDuty(self)]

    def ask(self, question: str) -> str:
        """The box's answer. Raises DriverError."""
        if self._line is None:
            raise DriverError(f"{self.options.port}: is not open")
        return self._line.ask(question)

    def measure(self, letter: str, unit: float) -> Value:
        """What the box answers to a letter, in the quantity's unit. Raises DriverError."""
        answer = self.ask(f"{letter}?")
        try:
            return float(answer.removeprefix(f"{letter}=")) * unit
        except ValueError:
            return Fault(f"the box answers {answer[:40]!r} to {letter}?")


class FanDuty(Actuator):
    """The fan's duty: it keeps what it was told in whole percent."""

    def __init__(self, box: FanboxSensor) -> None:
        self.info = ActuatorInfo("fan", "duty", 0.0, 1.0, "duty of the fan", step=0.01)
        self._box = box

    def get(self) -> float:
        """The duty from 0 to 1."""
        value = self._box.measure("D", 0.01)
        if isinstance(value, Fault):
            raise DriverError(value.reason)
        return value

    def set(self, value: float) -> None:
        """Tell the box a duty from 0 to 1."""
        answer = self._box.ask(f"D={round(100 * value)}")
        if answer != "OK":
            raise DriverError(f"the box does not take a duty of {value:g}: {answer[:40]!r}")
