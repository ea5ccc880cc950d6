"""Hardware monitoring chips: temperatures, voltages, currents, powers, fans.

Sources: Linux, Documentation/hwmon/sysfs-interface.rst (names and units of the attributes),
Documentation/hwmon/ina3221.rst (the power monitor of NVIDIA Jetsons), and
Documentation/gpu/amdgpu/thermal.rst (``freqN_input``).
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec

from edgeagent.drivers.counter import TotalsFile, WrapCounter
from edgeagent.drivers.sysfs import Attribute, listing, natural, text
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
    "freq": _Kind("frequency", 1.0, ("input",)),  # Hz
    "humidity": _Kind("humidity", 1e-3, ("input",)),  # m%
    "pwm": _Kind("duty", 1 / 255, ("",)),
    "alarm": _Kind("state", 1.0, ()),
}

#: The INA3221 labels its rails at their voltages only, curr1 to curr3 beside in1 to in3; and its voltages
#: over the shunts, in4 to in7, are in µV.
_INA3221 = "ina3221"
_SHUNTS = ("4", "5", "6", "7")

#: An alarm without a value beside it is all there is: the Raspberry Pi's rpi_volt has one of its supply.
_ALARM = re.compile(r"((?:in|curr|temp|fan)(\d+))_(?:lcrit_)?alarm")

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
    def places(self) -> tuple[str, ...]:
        """What the chip can be told by, best first: the slot on its bus, its device, its number.
        The slot stays; numbers, as in ``nvme0`` and ``hwmon3``, may be dealt anew at each boot."""
        link = self.directory / "device"
        if not link.exists():
            return (self.directory.name,)
        device = link.resolve()
        slots = (place.name for place in (device, *device.parents) if _on_bus(place))
        return next(slots, device.name), device.name, self.directory.name


class HwmonSensor(Sensor):
    """One chip. It is found by its name and, where several share one, by the device it sits on:
    the number in ``hwmonN`` changes from boot to boot."""

    Options = HwmonOptions
    summary = "hardware monitoring chips: temperature, voltage, current, power, fans"

    def __init__(self, host: Host, options: HwmonOptions) -> None:
        super().__init__(host, options)
        self._inputs: list[tuple[Attribute, Attribute | None]] = []
        self._energies: dict[int, str] = {}
        self._counters: dict[str, WrapCounter] = {}
        state = host.state_dir and host.state_dir / f"hwmon-{slug(f'{options.chip}-{options.at}')}.json"
        self._totals = TotalsFile(state, text(host.path("/proc/sys/kernel/random/boot_id")))

    @classmethod
    def discover(cls, host: Host) -> Iterable[Found]:
        """Every chip that shows at least one value."""
        chips = [chip for chip in _chips(host) if any(_attributes(chip.directory))]
        chips.sort(key=lambda chip: (chip.name, natural(chip.places[0])))
        names = unique([slug(chip.name) for chip in chips])
        for chip, name in zip(chips, names, strict=True):
            alike = [other for other in chips if other.name == chip.name]
            options = {"chip": chip.name} | ({"at": _place(chip, alike)} if len(alike) > 1 else {})
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
            (Attribute(path, _scale(chip.name, kind, index)), _fault_flag(chip.directory, kind, index))
            for kind, index, path in found
        ]
        self._energies = {i: name for i, name in enumerate(names) if name.startswith("energy/")}
        fresh = {n: WrapCounter(None) for n in self._energies.values() if n not in self._counters}
        self._totals.restore(fresh)
        self._counters |= fresh
        return [
            Channel(
                name.partition("/")[2],
                _KINDS[kind].quantity,
                description=f"1: {path.name}" if kind == "alarm" else _words(chip.directory, kind, index),
            )
            for name, (kind, index, path) in zip(names, found, strict=True)
        ]

    def read(self) -> Sequence[Value]:
        """Every value; a sensor that its chip calls faulty is a fault."""
        values = [_value(attribute, flag) for attribute, flag in self._inputs]
        for i, name in self._energies.items():
            values[i] = _total(self._counters[name], values[i])
        if self._energies:
            self._totals.save(self._counters)
        return values

    def close(self) -> None:
        """Close the files, and save what energy has been counted."""
        if self._energies:
            self._totals.save(self._counters, now=True)
        for attribute, flag in self._inputs:
            attribute.close()
            if flag:
                flag.close()

    def _find(self) -> _Chip:
        wanted, at = self.options.chip, self.options.at
        alike = [chip for chip in _chips(self.host) if chip.name == wanted]
        chips = [chip for chip in alike if not at or at in chip.places]
        if len(chips) == 1:
            return chips[0]
        where = f"chip {wanted!r}" + (f" at {at!r}" if at else "")
        if chips:
            places = ", ".join(repr(_place(chip, alike)) for chip in chips)
            raise DriverError(f"{where}: there are {len(chips)}", f"set the option `at` to one of {places}")
        known = ", ".join(sorted({chip.name for chip in _chips(self.host)})) or "none"
        raise DriverError(f"{where} is not there (chips here: {known})", "`edgeagent probe` lists what is")


def _chips(host: Host) -> Iterator[_Chip]:
    for directory in listing(host.path(_CLASS)):
        name = text(directory / "name")
        if name:
            yield _Chip(directory, name)


def _on_bus(device: Path) -> bool:
    """Whether it sits on a bus (and so in a slot), not only in a class of devices."""
    try:
        return (device / "subsystem").readlink().parent.name == "bus"
    except OSError:
        return False


def _place(chip: _Chip, alike: Sequence[_Chip]) -> str:
    """The best of its places that no other of the chips `alike` has."""
    others = {place for other in alike if other.directory != chip.directory for place in other.places}
    return next((place for place in chip.places if place not in others), chip.directory.name)


def _attributes(directory: Path) -> Iterator[tuple[str, str, Path]]:
    """Kind, index and file of each value of a chip."""
    for path in listing(directory):
        match = _ATTRIBUTE.fullmatch(path.name)
        if not match:
            alarm = _ALARM.fullmatch(path.name)
            if alarm and not (directory / f"{alarm[1]}_input").exists():
                yield "alarm", alarm[2], path
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
    return slug(_words(directory, kind, index), f"{kind}{index}")


def _words(directory: Path, kind: str, index: str) -> str:
    """What the kernel calls it; empty if it has no name."""
    if kind == "curr" and text(directory / "name") == _INA3221 and index not in _SHUNTS:
        kind = "in"
    return text(directory / f"{kind}{index}_label")


def _scale(chip: str, kind: str, index: str) -> float:
    return 1e-6 if chip == _INA3221 and kind == "in" and index in _SHUNTS else _KINDS[kind].scale


def _fault_flag(directory: Path, kind: str, index: str) -> Attribute | None:
    path = directory / f"{kind}{index}_fault"
    return Attribute(path) if path.exists() else None


def _total(counter: WrapCounter, energy_j: Value) -> Value:
    """A driver that is loaded anew counts from 0 again: the total goes on."""
    if isinstance(energy_j, Fault):
        return energy_j
    if energy_j < 0:
        return Fault(f"the energy is negative ({energy_j:g} J)")
    return counter.update(energy_j, time.monotonic())


def _value(attribute: Attribute, flag: Attribute | None) -> Value:
    if flag and flag.read() == 1.0:
        return Fault(f"{attribute.path}: the chip reports the sensor as faulty")
    return attribute.read()
