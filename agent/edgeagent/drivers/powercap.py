"""Energy of CPU packages, memory and platform, from RAPL through the powercap interface.

Source: Linux, Documentation/power/powercap/powercap.rst (µJ, µW, `max_energy_range_uj`). The energy
files are for root alone since CVE-2020-8694, because fine readings of power leak secrets.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec

from edgeagent.drivers.counter import TotalsFile, WrapCounter
from edgeagent.drivers.knob import Knob
from edgeagent.drivers.powercap_limits import limits
from edgeagent.drivers.sysfs import Attribute, listing, number, readable, text
from edgeagent_sdk.channel import Channel, Fault, Value
from edgeagent_sdk.driver import Actuator, Found, Host, Options, Sensor
from edgeagent_sdk.errors import DriverError
from edgeagent_sdk.names import slug, unique

_CLASS = "/sys/class/powercap"

#: No package, memory or platform of today draws more; it bounds how often a counter can have wrapped.
_POWER_MAX_W = 5000.0

_REMEDY = (
    "run the agent as root or with the capability CAP_DAC_READ_SEARCH, "
    "as packaging/systemd/edgeagent.service does"
)


class PowercapOptions(Options):
    """Which zone."""

    zone: Annotated[
        str, msgspec.Meta(description="top-level zone, e.g. intel-rapl:0; its parts come with it")
    ]


class _Part(NamedTuple):
    name: str
    directory: Path


class PowercapSensor(Sensor):
    """One package with its parts: energy as a total that only grows, and the power between two readings."""

    Options = PowercapOptions
    summary = "energy and power of CPU packages and memory (RAPL)"

    def __init__(self, host: Host, options: PowercapOptions) -> None:
        super().__init__(host, options)
        self._parts: list[_Part] = []
        self._files: list[Attribute] = []
        self._knobs: list[Knob] = []
        self._counters: dict[str, WrapCounter] = {}
        state = host.state_dir and host.state_dir / f"rapl-{slug(options.zone)}.json"
        self._totals = TotalsFile(state, text(host.path("/proc/sys/kernel/random/boot_id")))

    @classmethod
    def discover(cls, host: Host) -> Iterable[Found]:
        """Every top-level zone that counts energy."""
        zones = list(_zones(host))
        names = unique([f"rapl-{slug(text(zone / 'name', zone.name))}" for zone in zones])
        for zone, name in zip(zones, names, strict=True):
            parts = ", ".join(part.name for part in _parts(zone))
            why = readable(zone / "energy_uj")
            missing = f"{zone / 'energy_uj'}: {why}" if why else ""
            yield Found(name, {"zone": zone.name}, f"energy of {parts}", missing, _REMEDY if why else "")

    def open(self) -> Sequence[Channel]:
        """Find the zone and its parts, and take up their totals where the last run left them."""
        zone = self.host.path(_CLASS) / self.options.zone
        if not zone.is_dir():
            known = ", ".join(z.name for z in _zones(self.host)) or "none"
            raise DriverError(f"zone {self.options.zone!r} is not there (zones here: {known})")
        self._parts = list(_parts(zone))
        for part in self._parts:
            why = readable(part.directory / "energy_uj")
            if why:
                remedy = _REMEDY if "denied" in why or "permitted" in why else ""
                raise DriverError(f"{part.directory / 'energy_uj'}: {why}", remedy)
        self._files = [Attribute(part.directory / "energy_uj") for part in self._parts]
        self._knobs = [knob for part in self._parts for knob in limits(part.name, part.directory)]
        fresh = {p.name: _counter(p.directory) for p in self._parts if p.name not in self._counters}
        self._totals.restore(fresh)
        self._counters |= fresh
        self.read()  # power is a difference: the first reading to be sent has this one to differ from
        return [
            Channel(p.name, q, description=p.directory.name) for p in self._parts for q in ("energy", "power")
        ]

    def read(self) -> Sequence[Value]:
        """Energy in J and power in W of each part; power is a fault until there are two readings."""
        values: list[Value] = []
        for part, file in zip(self._parts, self._files, strict=True):
            values += self._pair(part.name, file.read())
        self._totals.save(self._counters)
        return values

    def close(self) -> None:
        """Close the files and save the totals."""
        for file in self._files:
            file.close()
        if self._counters:
            self._totals.save(self._counters, now=True)

    def actuators(self) -> Sequence[Actuator]:
        """The power limits of the package and its parts, in W."""
        return self._knobs

    def _pair(self, name: str, raw: Value) -> tuple[Value, Value]:
        if isinstance(raw, Fault):
            return raw, raw
        counter = self._counters[name]
        if not 0 <= raw <= (counter.range or math.inf):
            fault = Fault(f"the counter says {raw:g}, which it cannot hold")
            return fault, fault
        energy_j = counter.update(raw, time.monotonic()) * 1e-6
        if counter.rate is None:
            return energy_j, Fault("power needs two readings")
        return energy_j, counter.rate * 1e-6


def _zones(host: Host) -> Iterator[Path]:
    """Top-level zones. Where one package shows twice (MSR and MMIO), the MSR one is taken."""
    zones = [zone for zone in listing(host.path(_CLASS), "*:*") if zone.name.count(":") == 1]
    zones = [zone for zone in zones if (zone / "energy_uj").exists()]
    names = {text(zone / "name") for zone in zones if "-mmio" not in zone.name}
    for zone in zones:
        if "-mmio" not in zone.name or text(zone / "name") not in names:
            yield zone


def _parts(zone: Path) -> Iterator[_Part]:
    """The zone itself and its sub-zones, with names that differ."""
    children = [child for child in listing(zone, f"{zone.name}:*") if (child / "energy_uj").exists()]
    if not children:  # some kernels list them beside their parent only
        children = [c for c in listing(zone.parent, f"{zone.name}:*") if (c / "energy_uj").exists()]
    directories = [zone, *children]
    names = unique([slug(text(directory / "name", directory.name)) for directory in directories])
    for name, directory in zip(names, directories, strict=True):
        yield _Part(name, directory)


def _counter(directory: Path) -> WrapCounter:
    range_uj = number(directory / "max_energy_range_uj")
    return WrapCounter(range_uj if range_uj and range_uj > 0 else None, _POWER_MAX_W * 1e6)
