"""The boards that QEMU emulates for the rig, as data: what is on them, and where the world touches them.

Devices are found by `id`, never by their place in QEMU's tree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple

from edgeagent_hil.rig.i2c import AspeedI2c, I2cMaster, SbconI2c
from edgeagent_sdk.errors import EdgeError
from edgeagent_sdk.plugins import nearest


class Knob(NamedTuple):
    """A property of a device that stands for a quantity of the world; `scale` counts are one SI unit."""

    device: str
    property: str
    scale: float
    at_rest: float


class Pin(NamedTuple):
    """A bit of a register that holds the level of an output."""

    address: int
    bit: int


class I2cDevice(NamedTuple):
    """A chip on the node's bus: QEMU's model and where it sits."""

    model: str
    bus: str
    address: int


@dataclass(frozen=True)
class Board:
    """An emulated board.

    Args:
        name: also the folder of its images in ``firmware/build/``.
        machine: QEMU's name of it.
        kernel: file that QEMU starts.
        application: the ELF file with the symbols of the application.
        flash: image that a new board comes with; empty if it has no flash.
        devices: id → chip.
        fan_bus: how the bus is worked that the fan controller is on, and where.
        relays: outputs that switch the relays, relay 1 first; high is closed.
    """

    name: str
    machine: str
    kernel: str
    application: str
    flash: str
    devices: Mapping[str, I2cDevice]
    fan_bus: tuple[type[I2cMaster], int]
    relays: tuple[Pin, ...]


#: Channel of `nodemap.CHANNELS` → where it is forced, and what a machine at rest in a cool room shows.
KNOBS: Final[Mapping[str, Knob]] = MappingProxyType(
    {
        "temperature_board": Knob("board", "temperature", 1e3, 31.0),
        "temperature_inlet": Knob("air", "temperature0", 1e3, 24.0),
        "temperature_outlet": Knob("air", "temperature1", 1e3, 35.0),
        "temperature_coolant": Knob("air", "temperature2", 1e3, 30.0),
        "voltage_in": Knob("hotswap", "vin", 1e3, 12.0),
        "voltage_out": Knob("hotswap", "vout", 1e3, 12.0),
        "current_out": Knob("hotswap", "iout", 1e3, 10.0),
        "power_in": Knob("hotswap", "pin", 1.0, 120.0),
    }
)


def _chips(first_bus: str, second_bus: str) -> Mapping[str, I2cDevice]:
    return MappingProxyType(
        {
            "board": I2cDevice("tmp105", first_bus, 0x48),
            "air": I2cDevice("emc1413", first_bus, 0x4C),
            "hotswap": I2cDevice("adm1272", second_bus, 0x10),
            "fans": I2cDevice("max31785", second_bus, 0x52),
        }
    )


_BOARDS: Final = (
    Board(
        name="ast1030",
        machine="ast1030-evb",
        kernel="boot.elf",
        application="app.elf",
        flash="flash.img",
        devices=_chips("aspeed.i2c.bus.0", "aspeed.i2c.bus.1"),
        fan_bus=(AspeedI2c, 0x7E7B0100),
        relays=(Pin(0x7E780000, 0), Pin(0x7E780000, 1)),  # GPIO A0 and A1
    ),
    Board(
        name="mps2",
        machine="mps2-an385",
        kernel="app.elf",
        application="app.elf",
        flash="",
        # Four buses are called "i2c"; QEMU takes the last one made, that of shield 1 at 0x4002A000.
        devices=_chips("i2c", "i2c"),
        fan_bus=(SbconI2c, 0x4002A000),
        relays=(Pin(0x40028000, 0), Pin(0x40028000, 1)),  # the two LEDs of FPGAIO
    ),
)

BOARDS: Final[Mapping[str, Board]] = MappingProxyType({board.name: board for board in _BOARDS})


def board(name: str) -> Board:
    """A board by its name. Raises EdgeError with the nearest right one."""
    if name not in BOARDS:
        raise EdgeError(f"unknown board {name!r}; {nearest(name, list(BOARDS))}")
    return BOARDS[name]
