"""Hardware monitoring chips: temperatures, voltages, currents, powers, fans.

Source: Linux, Documentation/hwmon/sysfs-interface.rst (names and units of the attributes).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec

from edgeagent.drivers.sysfs import Attribute, listing, text
from edgeagent_sdk.channel import Channel, Fault, Value
from edgeagent_sdk.driver import Found, Host, Options, Sensor
from edgeagent_sdk.errors import DriverError
from edgeagent_sdk.names import slug, unique

_CLASS = "/sys/class/hwmon"


class _Kind(NamedTuple):
    quantity: str
    scale: float
    attributes: tuple[str, ...]  # in order of preference


_KINDS = {
    "temp": _Kind("temperature", 1e-3, ("input",)),  # m°C
    "in": _Kind("voltage", 1e-3, ("input",)),  # mV
    "curr": _Kind("current", 1e-3, ("input",)),  # mA
    "power": _Kind("power", 1e-6, ("input", "average")),  # µW
    "energy": _Kind("energy", 1e-6, ("input",)),  # µJ
    "fan": _Kind("speed", 1.0, ("input",)),  # rpm
    "humidity": _Kind("humidity", 1e-3, ("input",)),  # m%
    "pwm": _Kind("duty", 1 / 255, ("",)),
}

_ATTRIBUTE = re.compile(rf"({'|'.join(_KINDS)})(\d+)(?:_(input|average))?")


class HwmonOptions(Options):
    """Which chip."""

    chip: Annotated[str, msgspec.Meta(description="the chip's name, as in /sys/class/hwmon/*/name")]
    at: Annotated[
        str, msgspec.Meta(description="the chip's device, e.g. 0000:01:00.0, where several share a name")
    ] = ""


class _Chip(NamedTuple):
    directory: Path
    name: str

    @property
    def at(self) -> str:
        """The device that the chip sits on; unlike the number in ``hwmonN`` it stays."""
        device = self.directory / "device"
        return device.resolve().name if device.exists() else self.directory.name


class HwmonSensor(Sensor):
    """One chip. It is found by its name and, where several share one, by the device it sits on:
    the number in ``hwmonN`` changes from boot to boot."""

    Options = HwmonOptions
    summary = "hardware monitoring chips: temperature, voltage, current, power, fans"

    def __init__(self, host: Host, options: HwmonOptions) -> None:
        super().__init__(host, options)
        self._inputs: list[tuple[Attribute, Attribute | None]] = []

    @classmethod
    def discover(cls, host: Host) -> Iterable[Found]:
        """Every chip that shows at least one value."""
        chips = [chip for chip in _chips(host) if any(_attributes(chip.directory))]
        names = unique([slug(chip.name) for chip in chips])
        shared = {chip.name for chip in chips if [c.name for c in chips].count(chip.name) > 1}
        for chip, name in zip(chips, names, strict=True):
            options = {"chip": chip.name} | ({"at": chip.at} if chip.name in shared and chip.at else {})
            count = len(list(_attributes(chip.directory)))
            yield Found(f"hwmon-{name}"[:63], options, f"chip {chip.name}, {count} values")

    def open(self) -> Sequence[Channel]:
        """Find the chip and what it measures."""
        chip = self._find()
        found = list(_attributes(chip.directory))
        if not found:
            raise DriverError(f"chip {chip.name!r} in {chip.directory} shows no value")
        names = unique([f"{kind}/{_label(chip.directory, kind, index)}" for kind, index, _ in found])
        self._inputs = [
            (Attribute(path, _KINDS[kind].scale), _fault_flag(chip.directory, kind, index))
            for kind, index, path in found
        ]
        return [
            Channel(
                name.partition("/")[2],
                _KINDS[kind].quantity,
                description=text(chip.directory / f"{kind}{index}_label"),
            )
            for name, (kind, index, _) in zip(names, found, strict=True)
        ]

    def read(self) -> Sequence[Value]:
        """Every value; a sensor that its chip calls faulty is a fault."""
        return [_value(attribute, flag) for attribute, flag in self._inputs]

    def close(self) -> None:
        """Close the files."""
        for attribute, flag in self._inputs:
            attribute.close()
            if flag:
                flag.close()

    def _find(self) -> _Chip:
        wanted, at = self.options.chip, self.options.at
        chips = [chip for chip in _chips(self.host) if chip.name == wanted and at in ("", chip.at)]
        if len(chips) == 1:
            return chips[0]
        where = f"chip {wanted!r}" + (f" at {at!r}" if at else "")
        if chips:
            places = ", ".join(repr(chip.at) for chip in chips)
            raise DriverError(f"{where}: there are {len(chips)}", f"set the option `at` to one of {places}")
        known = ", ".join(sorted({chip.name for chip in _chips(self.host)})) or "none"
        raise DriverError(f"{where} is not there (chips here: {known})", "`edgeagent probe` lists what is")


def _chips(host: Host) -> Iterator[_Chip]:
    for directory in listing(host.path(_CLASS)):
        name = text(directory / "name")
        if name:
            yield _Chip(directory, name)


def _attributes(directory: Path) -> Iterator[tuple[str, str, Path]]:
    """Kind, index and file of each value of a chip."""
    for path in listing(directory):
        match = _ATTRIBUTE.fullmatch(path.name)
        if not match:
            continue
        kind, index, suffix = match[1], match[2], match[3] or ""
        wanted = next(
            (a for a in _KINDS[kind].attributes if (directory / _file(kind, index, a)).exists()), None
        )
        if suffix == wanted:
            yield kind, index, path


def _file(kind: str, index: str, attribute: str) -> str:
    return f"{kind}{index}_{attribute}" if attribute else f"{kind}{index}"


def _label(directory: Path, kind: str, index: str) -> str:
    return slug(text(directory / f"{kind}{index}_label"), f"{kind}{index}")


def _fault_flag(directory: Path, kind: str, index: str) -> Attribute | None:
    path = directory / f"{kind}{index}_fault"
    return Attribute(path) if path.exists() else None


def _value(attribute: Attribute, flag: Attribute | None) -> Value:
    if flag and flag.read() == 1.0:
        return Fault(f"{attribute.path}: the chip reports the sensor as faulty")
    return attribute.read()
