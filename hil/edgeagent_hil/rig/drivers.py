"""The rig's parts for labgrid: an environment file names them, a test asks for what they can do."""

from __future__ import annotations

import abc
import tempfile
from pathlib import Path
from typing import Any, ClassVar

import attr
from labgrid import target_factory
from labgrid.driver import Driver
from labgrid.protocol import PowerProtocol
from labgrid.resource import SerialPort

from edgeagent_hil.rig import boards
from edgeagent_hil.rig.faults import powerless
from edgeagent_hil.rig.machine import FIRMWARE, Machine
from edgeagent_hil.rig.master import wait_for_answer
from edgeagent_hil.rig.stimulus import CommandStimulus, MachineStimulus

_READY_S = 30.0


class NodeProtocol(abc.ABC):
    """A sensor node at the end of a serial line."""

    @property
    @abc.abstractmethod
    def port(self) -> Path:
        """The serial port that its master opens; the same path over unplugging and power cuts."""

    @abc.abstractmethod
    def wait_ready(self) -> None:
        """Return once the node answers. Raises EdgeError if it does not."""


@target_factory.reg_driver
@attr.s(eq=False)
class QemuNode(Driver, NodeProtocol, PowerProtocol):
    """A node on an emulated board, new and switched on when it is activated.

    Args:
        board: a name of `boards.BOARDS`.
        firmware: directory of the built images, relative to the environment file.
    """

    board: str = attr.ib(validator=attr.validators.instance_of(str))
    firmware: str = attr.ib(default="", validator=attr.validators.instance_of(str))

    def on_activate(self) -> None:
        """Switch on a new board."""
        self._home = tempfile.TemporaryDirectory(prefix="edgeagent-rig-")
        home = Path(self._home.name)
        firmware = Path(self.target.env.config.resolve_path(self.firmware)) if self.firmware else FIRMWARE
        self.machine = Machine(boards.board(self.board), home, home / "port", firmware=firmware)
        self.machine.on()

    def on_deactivate(self) -> None:
        """Switch it off, and throw it away."""
        self.machine.off()
        self._home.cleanup()

    @property
    def port(self) -> Path:
        """A link to QEMU's terminal."""
        return self.machine.port

    def wait_ready(self) -> None:
        """Return once the node answers."""
        wait_for_answer(self.port, 1, _READY_S, lambda: self.machine.running)

    @Driver.check_active
    def on(self) -> None:
        """Switch the power on."""
        self.machine.on()

    @Driver.check_active
    def off(self) -> None:
        """Cut the power."""
        self.machine.off()

    @Driver.check_active
    def cycle(self) -> None:
        """Cut the power, and give it back."""
        with powerless(self.machine):
            pass


@target_factory.reg_driver
@attr.s(eq=False)
class QemuStimulus(Driver, MachineStimulus):
    """The world around an emulated board."""

    bindings: ClassVar[dict[str, Any]] = {"node": QemuNode}

    def on_activate(self) -> None:
        """Act on the board that is switched on now."""
        self.machine = self.node.machine


@target_factory.reg_driver
@attr.s(eq=False)
class BoardNode(Driver, NodeProtocol):
    """A real node at a serial port of this machine, e.g. a `RawSerialPort` or a `USBSerialPort`."""

    bindings: ClassVar[dict[str, Any]] = {"serial": SerialPort}
    slave_id: int = attr.ib(default=1, validator=attr.validators.instance_of(int))

    @property
    def port(self) -> Path:
        """As the environment file names it."""
        return Path(self.serial.port)

    def wait_ready(self) -> None:
        """Return once the node answers."""
        wait_for_answer(self.port, self.slave_id, _READY_S, lambda: True)


@target_factory.reg_driver
@attr.s(eq=False)
class BenchStimulus(Driver, CommandStimulus):
    """The instruments around a real board, each behind a command that the environment file gives."""

    forces: dict[str, str] = attr.ib(factory=dict, validator=attr.validators.instance_of(dict))
    relays: list[str] = attr.ib(factory=list, validator=attr.validators.instance_of(list))
