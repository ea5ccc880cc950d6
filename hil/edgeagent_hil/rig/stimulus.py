"""What the world does to a node's sensors, and what the world sees of its relays.

Channels are called as in `nodemap.TELEMETRY`, e.g. ``temperature_inlet``; values are in SI units (°C, V,
A, W), as they are on the wire.
"""

from __future__ import annotations

import abc
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager

from edgeagent_hil.rig.boards import KNOBS, Knob
from edgeagent_hil.rig.machine import Machine
from edgeagent_sdk.errors import EdgeError
from edgeagent_sdk.plugins import nearest


class NoInstrument(EdgeError):
    """The bench has nothing that does this: tests that need it are skipped with this reason."""


class Stimulus(abc.ABC):
    """A labgrid protocol: one method to act on the node's sensors, one to look at its outputs."""

    @abc.abstractmethod
    def set(self, channel: str, value: float) -> float:
        """Force a quantity, until it is forced again; what it then is, as exactly as the instrument knows.

        Raises:
            NoInstrument: nothing here forces that channel.
        """

    @abc.abstractmethod
    def stuck(self, channel: str) -> AbstractContextManager[None]:
        """Within the block the sensor of `channel` shows what it shows now, whatever is forced.

        Raises:
            NoInstrument: nothing here can hold a sensor.
        """

    @abc.abstractmethod
    def relay(self, number: int) -> bool:
        """Whether relay `number`, from 1, is closed, measured outside of the firmware.

        Raises:
            NoInstrument: nothing here measures that relay.
        """


class MachineStimulus(Stimulus):
    """By the properties of QEMU's sensor models and the registers behind its pins."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def set(self, channel: str, value: float) -> float:
        """Force a quantity; the model's own resolution decides what it then is."""
        knob = _knob(channel)
        return self.machine.force(knob.device, knob.property, round(value * knob.scale)) / knob.scale

    def stuck(self, channel: str) -> AbstractContextManager[None]:
        """Keep the property as it is."""
        knob = _knob(channel)
        return self.machine.stuck(knob.device, knob.property)

    def relay(self, number: int) -> bool:
        """The level of the pin that switches the relay."""
        pin = self.machine.board.relays[number - 1]
        return bool(self.machine.qtest.read32(pin.address) >> pin.bit & 1)


class CommandStimulus(Stimulus):
    """By any program that commands an instrument.

    Args:
        forces: channel → command, with ``{value}`` where the value goes, e.g. ``psu set-volt {value:.3f}``.
            It may print what the quantity then is; if it prints nothing, that is the value.
        relays: commands that print 1 while the relay is closed, 0 while it is open; relay 1 first.
    """

    forces: Mapping[str, str]
    relays: Sequence[str]

    def set(self, channel: str, value: float) -> float:
        """Run the command of the channel."""
        if channel not in self.forces:
            raise NoInstrument(f"the environment file names no instrument that forces {channel}")
        said = _run(self.forces[channel].format(value=value))
        return _number(said, self.forces[channel]) if said else value

    def stuck(self, channel: str) -> AbstractContextManager[None]:
        """No program can do that."""
        raise NoInstrument(f"no instrument makes the sensor of {channel} stick")

    def relay(self, number: int) -> bool:
        """Run the command of the relay."""
        if number > len(self.relays):
            raise NoInstrument(f"the environment file names no instrument that measures relay {number}")
        return _number(_run(self.relays[number - 1]), self.relays[number - 1]) != 0


def _knob(channel: str) -> Knob:
    if channel not in KNOBS:
        raise NoInstrument(f"QEMU forces no {channel!r}; {nearest(channel, list(KNOBS))}")
    return KNOBS[channel]


def _run(command: str) -> str:
    try:
        done = subprocess.run(shlex.split(command), capture_output=True, text=True, timeout=30, check=True)
    except subprocess.CalledProcessError as error:
        raise EdgeError(f"{command}: exit code {error.returncode}: {error.stderr.strip()}") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EdgeError(f"{command}: {error}") from None
    return done.stdout.strip()


def _number(text: str, command: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise EdgeError(f"{command}: printed {text!r}, which is no number") from None
