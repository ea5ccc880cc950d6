"""Thermal zones of the kernel. Source: Linux, Documentation/driver-api/thermal/sysfs-api.rst (m°C)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from edgeagent.drivers.sysfs import Attribute, listing, read_all, text
from edgeagent_sdk.channel import Channel, Value
from edgeagent_sdk.driver import Found, Host, Options, Sensor
from edgeagent_sdk.errors import DriverError
from edgeagent_sdk.names import slug, unique

_CLASS = "/sys/class/thermal"


class ThermalSensor(Sensor):
    """All zones of the machine, one channel each, named after their type."""

    summary = "the kernel's thermal zones"

    def __init__(self, host: Host, options: Options) -> None:
        super().__init__(host, options)
        self._zones: list[Attribute] = []

    @classmethod
    def discover(cls, host: Host) -> Iterable[Found]:
        """One device, if there is any zone."""
        zones = listing(host.path(_CLASS), "thermal_zone*")
        if zones:
            yield Found("thermal", {}, f"{len(zones)} thermal zones")

    def open(self) -> Sequence[Channel]:
        """Find the zones."""
        zones = listing(self.host.path(_CLASS), "thermal_zone*")
        if not zones:
            raise DriverError(f"no thermal zone in {self.host.path(_CLASS)}")
        types = [text(zone / "type", zone.name) for zone in zones]
        self._zones = [Attribute(zone / "temp", 1e-3) for zone in zones]
        names = unique([slug(kind) for kind in types])
        return [
            Channel(name, "temperature", description=f"{zone.name}: {kind}")
            for name, zone, kind in zip(names, zones, types, strict=True)
        ]

    def read(self) -> Sequence[Value]:
        """Every zone's temperature in °C."""
        return read_all(self._zones)

    def close(self) -> None:
        """Close the files."""
        for zone in self._zones:
            zone.close()
