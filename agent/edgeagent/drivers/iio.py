"""Power monitors, ADCs and climate sensors of the Industrial I/O subsystem: INA2xx, PAC19xx, ADS1015, SHT3x …

Source: Linux, Documentation/ABI/testing/sysfs-bus-iio: a value is (raw + offset) × scale, in the unit of its
kind. The kernels of older NVIDIA Jetsons show their INA3221 here, its rails named in ``rail_name_N``.
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

_DEVICES = "/sys/bus/iio/devices"

#: Kind in the file's name: quantity, and what one of the kernel's units is worth in ours.
_KINDS = {
    "voltage": ("voltage", 1e-3),  # mV
    "current": ("current", 1e-3),  # mA
    "power": ("power", 1e-3),  # mW
    "energy": ("energy", 1.0),  # J
    "temp": ("temperature", 1e-3),  # m°C
    "humidityrelative": ("humidity", 1e-3),  # m%
    "pressure": ("pressure", 1.0),  # kPa
}

_FILE = re.compile(
    rf"in_(?P<stem>(?P<kind>{'|'.join(_KINDS)})(?P<index>\d*)"
    r"(?:-(?:voltage|current)\d+)?(?:_(?:supply|ambient|object|[xyziq]))?)_(?P<form>raw|input)"
)


class IioOptions(Options):
    """Which chip."""

    chip: Annotated[
        str, msgspec.Meta(description="the chip's name, as in /sys/bus/iio/devices/iio:device*/name")
    ]
    at: Annotated[
        str, msgspec.Meta(description="the chip's device, e.g. 1-0040, where several share a name")
    ] = ""


class _Chip(NamedTuple):
    directory: Path
    name: str
    place: str  # the device it sits on, which stays; the number in iio:deviceN does not


class _Input:
    """One channel: a file that says it all, or three that make it up."""

    def __init__(self, directory: Path, stem: str, form: str) -> None:
        kind = re.match("[a-z]+", stem)
        assert kind is not None
        self.kind, self.stem, self.form = kind[0], stem, form
        self.quantity, self._unit = _KINDS[self.kind]
        index = stem.removeprefix(self.kind)
        self.label = text(directory / f"in_{stem}_label") or text(directory / f"rail_name_{index}")
        self._value = Attribute(directory / f"in_{stem}_{form}")
        self._scale = _shared(directory, stem, self.kind, "scale") if form == "raw" else None
        self._offset = _shared(directory, stem, self.kind, "offset") if form == "raw" else None

    @property
    def told(self) -> bool:
        """Whether its unit is known: a raw count without a scale is no quantity."""
        return self.form == "input" or self._scale is not None

    def read(self) -> Value:
        """The value in the quantity's unit. Scale and offset are read too: a gain may be changed."""
        value = self._value.read()
        scale = self._scale.read() if self._scale else 1.0
        offset = self._offset.read() if self._offset else 0.0
        for part in (value, scale, offset):
            if isinstance(part, Fault):
                return part
        assert isinstance(value, float) and isinstance(scale, float) and isinstance(offset, float)
        return (value + offset) * scale * self._unit

    def close(self) -> None:
        for file in (self._value, self._scale, self._offset):
            if file:
                file.close()


class IioSensor(Sensor):
    """One chip, found by its name and, where several share one, by the device it sits on."""

    Options = IioOptions
    summary = "power monitors, ADCs and climate sensors of the kernel's Industrial I/O"

    def __init__(self, host: Host, options: IioOptions) -> None:
        super().__init__(host, options)
        self._inputs: list[_Input] = []
        self._counters: dict[str, WrapCounter] = {}
        state = host.state_dir and host.state_dir / f"iio-{slug(f'{options.chip}-{options.at}')}.json"
        self._totals = TotalsFile(state, text(host.path("/proc/sys/kernel/random/boot_id")))

    @classmethod
    def discover(cls, host: Host) -> Iterable[Found]:
        """Every chip that shows at least one value."""
        chips = sorted(_chips(host), key=lambda chip: (chip.name, natural(chip.place)))
        chips = [chip for chip in chips if _inputs(chip.directory)]
        names = unique([slug(f"iio-{chip.name}") for chip in chips])
        for chip, name in zip(chips, names, strict=True):
            alone = sum(other.name == chip.name for other in chips) == 1
            options = {"chip": chip.name} | ({} if alone else {"at": chip.place})
            yield Found(name, options, f"chip {chip.name}, {len(_inputs(chip.directory))} values")

    def open(self) -> Sequence[Channel]:
        """Find the chip and what it measures."""
        chip = self._find()
        self._inputs = _inputs(chip.directory)
        if not self._inputs:
            raise DriverError(f"chip {chip.name!r} in {chip.directory} shows no value with a known scale")
        keys = unique([f"{i.quantity}/{slug(i.label, slug(i.stem))}" for i in self._inputs])
        fresh = {
            i.stem: WrapCounter(None)
            for i in self._inputs
            if i.quantity == "energy" and i.stem not in self._counters
        }
        self._totals.restore(fresh)
        self._counters |= fresh
        return [
            Channel(key.partition("/")[2], i.quantity, description=i.label or i.stem)
            for key, i in zip(keys, self._inputs, strict=True)
        ]

    def read(self) -> Sequence[Value]:
        """Every value in its quantity's unit."""
        values = [self._total(i.stem, i.read()) for i in self._inputs]
        if self._counters:
            self._totals.save(self._counters)
        return values

    def close(self) -> None:
        """Close the files, and save what energy has been counted."""
        if self._counters:
            self._totals.save(self._counters, now=True)
        for i in self._inputs:
            i.close()

    def _total(self, stem: str, value: Value) -> Value:
        """Of energy, what was counted before the chip began anew goes on; all else is as it is."""
        counter = self._counters.get(stem)
        if counter is None or isinstance(value, Fault):
            return value
        if value < 0:
            return Fault(f"the energy is negative ({value:g} J)")
        return counter.update(value, time.monotonic())

    def _find(self) -> _Chip:
        wanted, at = self.options.chip, self.options.at
        alike = [chip for chip in _chips(self.host) if chip.name == wanted]
        chips = [chip for chip in alike if not at or at in (chip.place, chip.directory.name)]
        if len(chips) == 1:
            return chips[0]
        where = f"chip {wanted!r}" + (f" at {at!r}" if at else "")
        if chips:
            places = ", ".join(repr(chip.place) for chip in chips)
            raise DriverError(f"{where}: there are {len(chips)}", f"set the option `at` to one of {places}")
        known = ", ".join(sorted({chip.name for chip in _chips(self.host)})) or "none"
        raise DriverError(f"{where} is not there (chips here: {known})", "`edgeagent probe` lists what is")


def _chips(host: Host) -> Iterator[_Chip]:
    for directory in listing(host.path(_DEVICES), "iio:device*"):
        name = text(directory / "name")
        if name:
            yield _Chip(directory, name, directory.resolve().parent.name)


def _inputs(directory: Path) -> list[_Input]:
    """What a chip measures in a known unit; where a value is told twice, the scaled one."""
    forms: dict[str, str] = {}
    for path in listing(directory, "in_*"):
        match = _FILE.fullmatch(path.name)
        if match and forms.get(match["stem"]) != "input":
            forms[match["stem"]] = match["form"]
    found = (_Input(directory, stem, form) for stem, form in forms.items())
    return [i for i in found if i.told]


def _shared(directory: Path, stem: str, kind: str, what: str) -> Attribute | None:
    """A channel's own scale or offset, or the one that all channels of its kind share."""
    for name in (stem, re.sub(r"\d+", "", stem), kind):
        path = directory / f"in_{name}_{what}"
        if path.exists():
            return Attribute(path)
    return None
