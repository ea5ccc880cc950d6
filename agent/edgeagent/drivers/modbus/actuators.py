"""A map's outputs as actuators: coils and holding registers."""

from __future__ import annotations

import math
import struct

from edgeagent.drivers.modbus.mapkeys import MapFile, Output
from edgeagent.drivers.modbus.numbers import KINDS, Scale, pack, unpacker
from edgeagent.drivers.modbus.points import layout
from edgeagent.drivers.modbus.units import factor
from edgeagent.modbus import pdu
from edgeagent.modbus.master import Master
from edgeagent_sdk.driver import Actuator, ActuatorInfo
from edgeagent_sdk.errors import DriverError


class CoilActuator(Actuator):
    """A coil: 0 or 1."""

    survives_reboot = True

    def __init__(self, master: Master, table: MapFile, key: str, output: Output) -> None:
        quantity, _, name = key.partition("/")
        self.info = ActuatorInfo(name, quantity, output.minimum, output.maximum, output.description, 1.0)
        self._master, self._address = master, output.address - table.base

    def get(self) -> float:
        """What the coil is."""
        return self._master.read(pdu.READ_COILS, self._address, 1, lambda data: float(data[0] & 1))

    def set(self, value: float) -> None:
        """Switch it."""
        _check(self.info, value)
        self._master.write_coil(self._address, value >= 0.5)


class RegisterActuator(Actuator):
    """A number in holding registers."""

    survives_reboot = True

    def __init__(self, master: Master, table: MapFile, key: str, output: Output) -> None:
        quantity, _, name = key.partition("/")
        kind = output.type or table.type
        count = output.scale * (factor(quantity, output.unit) or 1.0)
        self._scale = Scale.of(count)
        step = 0.0 if kind.startswith("f") else abs(count)
        self.info = ActuatorInfo(name, quantity, output.minimum, output.maximum, output.description, step)
        self._master, self._address, self._many = master, output.address - table.base, output.write_many
        self._kind, self._layout = kind, layout(table, output.word_order, kind)
        self._unpack = unpacker([self._layout])

    def get(self) -> float:
        """What the registers hold."""
        words = KINDS[self._kind].words
        [raw] = self._master.read(pdu.READ_HOLDING, self._address, words, self._unpack)
        return raw * self._scale.multiplier / self._scale.divisor

    def set(self, value: float) -> None:
        """Write them, all in one request."""
        _check(self.info, value)
        counts = value * self._scale.divisor / self._scale.multiplier
        try:
            data = pack(counts if self._kind.startswith("f") else round(counts), self._layout)
        except (struct.error, OverflowError):
            raise DriverError(
                f"{self.info.name}: {value:g} does not fit a register of type {self._kind}"
            ) from None
        self._master.write(self._address, data, many=self._many)


def _check(info: ActuatorInfo, value: float) -> None:
    if not math.isfinite(value):
        raise DriverError(f"{info.name}: {value} is nothing that can be set")


def actuators(master: Master, table: MapFile) -> list[Actuator]:
    """One for each output of the map."""
    return [
        (CoilActuator if (output.space or table.space) == "coil" else RegisterActuator)(
            master, table, key, output
        )
        for key, output in table.output.items()
    ]
