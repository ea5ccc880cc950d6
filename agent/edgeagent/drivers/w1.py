"""1-wire thermometers on the buses of the kernel.

Sources: Linux, Documentation/w1/slaves/w1_therm.rst (``w1_slave``: two lines, the scratchpad in hex, CRC
and m°C) and Documentation/ABI/testing/sysfs-driver-w1_therm (``therm_bulk_read``, byte 6 after power-on).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import msgspec

from edgeagent.drivers.sysfs import listing, reason
from edgeagent_sdk.channel import Channel, Fault, Value
from edgeagent_sdk.driver import Found, Host, Options, Sensor
from edgeagent_sdk.errors import DriverError
from edgeagent_sdk.names import NAME_PATTERN, slug

_DEVICES = "/sys/bus/w1/devices"

#: Family code, the first two digits of an address, and the chips that have it.
_FAMILIES = {
    "10": "DS18S20",
    "22": "DS1822",
    "28": "DS18B20",
    "3b": "DS1825 or MAX31850",
    "42": "DS28EA00",
}

_ADDRESS = re.compile(rf"({'|'.join(_FAMILIES)})-[0-9a-f]+")

_ANSWER = re.compile(r"((?:[0-9a-f]{2} ){9}): crc=[0-9a-f]{2} (YES|NO)\s+.*\bt=(-?\d+)", re.S)

#: What the scratchpad says after power-on, before anything was measured.
_POWER_ON_C = 85.0
_POWER_ON_BYTE_6 = 0x0C

#: Nothing that a thermometer sits in warms by more between two readings and stops at 85.000 °C.
_JUMP_K = 5.0


class W1Options(Options):
    """What the thermometers are called."""

    names: Annotated[
        dict[str, Annotated[str, msgspec.Meta(pattern=f"^{NAME_PATTERN}$", title="a name of a-z 0-9 _ . -")]],
        msgspec.Meta(description='channel names by address, e.g. {"28-0316a2798dff" = "supply"}'),
    ] = msgspec.field(default_factory=dict)


class W1Sensor(Sensor):
    """All thermometers of the machine's 1-wire buses, one channel each.

    One conversion takes up to 750 ms. With a bulk read, all of a bus convert at once; without (an old
    kernel, or no right to write ``therm_bulk_read``) one after the other.
    """

    Options = W1Options
    summary = "1-wire thermometers (DS18B20 and its family)"

    def __init__(self, host: Host, options: W1Options) -> None:
        super().__init__(host, options)
        self._thermometers: list[Path] = []
        self._triggers: list[Path] = []
        self._last: dict[Path, float] = {}

    @classmethod
    def discover(cls, host: Host) -> Iterable[Found]:
        """One device for all thermometers, if there is any."""
        found = _thermometers(host)
        if found:
            count = "1 thermometer" if len(found) == 1 else f"{len(found)} thermometers"
            yield Found("w1", {}, f"{count}: {', '.join(path.name for path in found)}")

    def open(self) -> Sequence[Channel]:
        """Find the thermometers."""
        names: dict[str, str] = self.options.names
        self._thermometers = _thermometers(self.host)
        known = [path.name for path in self._thermometers]
        if not known:
            where = self.host.path(_DEVICES)
            raise DriverError(
                f"no thermometer in {where}", "load the bus's driver (w1-gpio, ds2482) and w1_therm"
            )
        missing = sorted(set(names) - set(known))
        if missing:
            raise DriverError(f"thermometer {missing[0]} is not there (here: {', '.join(known)})")
        self._triggers = [
            bus / "therm_bulk_read" for bus in listing(self.host.path(_DEVICES), "w1_bus_master*")
        ]
        return [
            Channel(
                names.get(address, slug(address)),
                "temperature",
                description=f"{_FAMILIES[address[:2]]} {address}",
            )
            for address in known
        ]

    def read(self) -> Sequence[Value]:
        """Every temperature in °C."""
        for trigger in self._triggers:
            # Not there, or not for us: each converts when it is read. The mode never creates it.
            with suppress(OSError), trigger.open("r+b", buffering=0) as file:
                file.write(b"trigger\n")
        return [self._temperature(path) for path in self._thermometers]

    def _temperature(self, thermometer: Path) -> Value:
        path = thermometer / "w1_slave"
        try:
            answer = path.read_text("ascii", "replace")
        except OSError as error:
            return Fault(f"{path}: {reason(error)}")
        match = _ANSWER.search(answer)
        if not match:
            said = repr(answer[:40]) if answer else "nothing"
            return Fault(f"{path}: it answers {said}; is it on the bus?")
        scratchpad, temperature_c = bytes.fromhex(match[1]), int(match[3]) / 1e3
        if match[2] == "NO":
            return Fault(f"{path}: the checksum is wrong; look to the length of the line and its pull-up")
        if not any(scratchpad):  # the checksum of zeros is 0, and so is right
            return Fault(f"{path}: nothing but zeros; the data line is shorted, or the chip has no power")
        if self._never_measured(thermometer, temperature_c, scratchpad):
            return Fault(f"{path}: 85 °C, the value after power-on; the chip loses its power as it measures")
        self._last[thermometer] = temperature_c
        return temperature_c

    def _never_measured(self, thermometer: Path, temperature_c: float, scratchpad: bytes) -> bool:
        if temperature_c != _POWER_ON_C:
            return False
        last_c = self._last.get(thermometer)
        if last_c is None:
            return scratchpad[6] == _POWER_ON_BYTE_6
        return abs(temperature_c - last_c) > _JUMP_K


def _thermometers(host: Host) -> list[Path]:
    return sorted(path for path in listing(host.path(_DEVICES)) if _ADDRESS.fullmatch(path.name))
