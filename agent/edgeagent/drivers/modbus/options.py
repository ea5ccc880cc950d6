"""The `modbus` driver's configuration keys, and what they mean together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from edgeagent.drivers.modbus import mapfile
from edgeagent.drivers.modbus.mapkeys import MapFile
from edgeagent.drivers.modbus.nodetable import NODE, node_table
from edgeagent.modbus.bus import Serial, Tcp
from edgeagent_sdk.config import ConfigError, Problem
from edgeagent_sdk.driver import Options
from edgeagent_sdk.plugins import nearest

SUNSPEC = "sunspec"


class ModbusOptions(Options):
    """Where the device is, and which register map describes it."""

    map: Annotated[
        str,
        msgspec.Meta(
            description="a map that comes with the driver, `sunspec`, or the path of one's own (./my.toml)"
        ),
    ]
    host: Annotated[str, msgspec.Meta(description="Modbus TCP: the device's or gateway's address")] = ""
    tcp_port: Annotated[int, msgspec.Meta(ge=1, le=65535, description="with host")] = 502
    rtu_over_tcp: Annotated[
        bool, msgspec.Meta(description="with host: a plain serial server, which takes RTU frames as they are")
    ] = False
    port: Annotated[
        str,
        msgspec.Meta(
            description="Modbus RTU: the serial port: a path, best one of /dev/serial/by-id, or "
            "usb:<serial number>"
        ),
    ] = ""
    baud: Annotated[int, msgspec.Meta(ge=300, le=4_000_000, description="with port: bits per second")] = 9600
    parity: Annotated[Literal["none", "even", "odd"], msgspec.Meta(description="with port")] = "none"
    stop_bits: Annotated[int, msgspec.Meta(ge=1, le=2, description="with port")] = 1
    unit_id: Annotated[
        int, msgspec.Meta(ge=0, le=255, description="the device's Modbus address, also behind a gateway")
    ] = 1
    timeout_ms: Annotated[
        int, msgspec.Meta(ge=10, le=60_000, description="for an answer; then it is asked again, twice")
    ] = 1000
    pause_ms: Annotated[
        int,
        msgspec.Meta(
            ge=-1, le=10_000, description="between two requests; -1 for what the map and the line ask for"
        ),
    ] = -1
    serial_number: Annotated[
        str, msgspec.Meta(description="read this device only, by its own serial number; empty for any")
    ] = ""
    channels: Annotated[
        list[str],
        msgspec.Meta(description="read these only, by quantity or quantity/channel; all if empty"),
    ] = []  # noqa: RUF012 - msgspec copies it

    def __post_init__(self) -> None:
        """See that all is there and that the map is one. Raises ConfigError, with the map's lines."""
        if bool(self.host) == bool(self.port):
            raise _wrong("host" if not self.host else "port", "give host or port, one of the two")
        if self.port and not 1 <= self.unit_id <= 247:
            raise _wrong("unit_id", f"must be 1 to 247 on a serial line, not {self.unit_id}")
        if self.map == SUNSPEC:
            return
        known = self.table().register
        quantities = {key.partition("/")[0] for key in known}
        for selector in self.channels:
            if selector not in known and selector not in quantities:
                raise _wrong("channels", f"the map has no {selector!r}; {nearest(selector, [*known])}")

    def table(self) -> MapFile:
        """The register map. Raises ConfigError with every mistake in it."""
        if self.map == NODE:
            return node_table()
        if self.map in mapfile.shipped():
            return mapfile.load(mapfile.shipped_path(self.map))
        if "/" in self.map or self.map.endswith(".toml"):
            return mapfile.load(Path(self.map))
        raise mapfile.missing(self.map)

    def place(self) -> Serial | Tcp:
        """Where the bus is. Raises DriverError if a port by its adapter's number is not there."""
        if self.host:
            return Tcp(self.host, self.tcp_port, self.timeout_ms / 1e3, self.rtu_over_tcp)
        from edgeagent.modbus.adapters import find_port

        return Serial(find_port(self.port), self.baud, self.parity[0].upper(), self.stop_bits)


def _wrong(key: str, message: str) -> ConfigError:
    return ConfigError([Problem("", 0, key, message)])
