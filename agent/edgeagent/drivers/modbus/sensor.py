"""The `modbus` driver: a device on TCP or a serial line, read as its register map says.

What the device says it does not have, what its map makes implausible and what it refuses is a fault and
never a number. Several devices on one line or gateway share its one connection (`edgeagent.modbus.bus`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from edgeagent.drivers.modbus.actuators import actuators
from edgeagent.drivers.modbus.mapkeys import MapFile, SerialNumber
from edgeagent.drivers.modbus.options import SUNSPEC, ModbusOptions
from edgeagent.drivers.modbus.points import FUNCTIONS, Point, counters, points
from edgeagent.drivers.modbus.reader import Reader
from edgeagent.drivers.modbus.sunspec import device_points, look
from edgeagent.drivers.stranger import stranger
from edgeagent.drivers.totals import Totals
from edgeagent.modbus import pdu
from edgeagent.modbus.bus import join
from edgeagent.modbus.master import Master, Refused
from edgeagent_sdk.channel import Channel, Value
from edgeagent_sdk.driver import Actuator, Host, Sensor
from edgeagent_sdk.errors import DriverError
from edgeagent_sdk.names import slug
from edgeagent_sdk.quantities import QUANTITIES, Kind

#: Refusals that say nothing of whether the device has a serial number.
_NOT_NOW = (pdu.SLOW, pdu.NO_PATH, pdu.NO_TARGET)


class _Description(NamedTuple):
    """What is to be read from a device, and who it is."""

    points: list[Point]
    serial_number: str
    optional: bool
    read_max: int
    gap_max: int
    power_max_w: float


class ModbusSensor(Sensor):
    """One unit on a bus."""

    Options = ModbusOptions
    summary = "a power meter, PDU or other device that speaks Modbus (TCP or RTU)"

    def __init__(self, host: Host, options: ModbusOptions) -> None:
        super().__init__(host, options)
        self._master: Master | None = None
        self._reader: Reader | None = None
        self._totals: Totals | None = None
        self._actuators: list[Actuator] = []
        self._places: list[int] = []
        self._counted: list[tuple[int, Channel]] = []
        self._who = ""

    def open(self) -> Sequence[Channel]:
        """Reach the device, see that it is the one that was read before, and what of its map it has."""
        options: ModbusOptions = self.options
        table = None if options.map == SUNSPEC else options.table()
        place = options.place()
        if options.pause_ms >= 0:
            pause_s = options.pause_ms / 1e3
        else:
            pause_s = max(place.silence_s, table.pause_ms / 1e3 if table else 0.0)
        self._master = master = Master(
            join(place), options.unit_id, options.timeout_ms / 1e3, pause_s=pause_s
        )
        # A device that is off would hold up its neighbours on the line: it is asked once.
        master.retries = 0
        description = _by_map(master, table, options) if table else _by_sunspec(master, options)
        self._recognize(description.serial_number)
        self._reader = reader = _reader(master, description)
        master.retries = 2
        channels = enumerate(point.channel for point in reader.points)
        self._counted = [(i, c) for i, c in channels if c and c.quantity.kind is Kind.COUNTER]
        self._totals = Totals(self._state(description.serial_number), options.map)
        self._totals.adopt(counters(reader.points, description.power_max_w))
        self._actuators = actuators(master, table) if table else []
        places = {point.key: i for i, point in enumerate(reader.points)}
        shown = [point for point in description.points if point.key in places]  # in the map's order
        self._places = [places[point.key] for point in shown if point.channel]
        return [point.channel for point in shown if point.channel]

    def read(self) -> Sequence[Value]:
        """All blocks of the map, one request for each."""
        assert self._reader and self._totals
        values = self._reader.read()
        for i, channel in self._counted:
            values[i] = self._totals.take(channel, values[i])
        self._totals.save()
        return [values[i] for i in self._places]

    def close(self) -> None:
        """Save the totals and leave the line."""
        if self._totals:
            self._totals.save(now=True)
        if self._master:
            self._master.close()
        self._master = self._reader = self._totals = None
        self._actuators = []

    def actuators(self) -> Sequence[Actuator]:
        """The map's outputs."""
        return self._actuators

    def _recognize(self, number: str) -> None:
        assert self._master
        wanted = self.options.serial_number or self._who or number
        if number != wanted:
            raise stranger(self._master.where, "device", number, wanted)
        self.identity = self._who = number

    def _state(self, number: str) -> Path | None:
        """Where this device's totals rest."""
        assert self._master
        where = slug(f"{self._master.bus.place.name}-{self.options.unit_id}")
        directory = self.host.state_dir
        return directory / f"modbus-{slug(number, where)}.json" if directory else None


def _by_map(master: Master, table: MapFile, options: ModbusOptions) -> _Description:
    low, high = table.limits.get("power", (0.0, QUANTITIES["power"].maximum))
    return _Description(
        points(table, options.channels),
        _serial_number(master, table.serial_number, table.base) if table.serial_number else "",
        table.optional,
        table.read_max,
        table.gap_max,
        max(abs(low), abs(high)),
    )


def _by_sunspec(master: Master, options: ModbusOptions) -> _Description:
    device = look(master)
    return _Description(
        device_points(device, options.channels), device.serial_number, True, 125, 125, math.inf
    )


def _serial_number(master: Master, place: SerialNumber, base: int) -> str:
    words = {"text": place.words, "u16": 1, "u32": 2, "u64": 4}[place.type]
    try:
        data = master.read(FUNCTIONS[place.space], place.address - base, words, bytes)
    except Refused as refusal:
        if refusal.code in _NOT_NOW:
            raise
        return ""  # this model does not tell
    if place.type == "text":
        return data.split(b"\0")[0].decode("ascii", "replace").strip()
    return str(int.from_bytes(data, "big") or "")


def _reader(master: Master, description: _Description) -> Reader:
    wanted, read_max, gap_max = description.points, description.read_max, description.gap_max
    reader = Reader(master, wanted, read_max, gap_max)
    lacking = reader.lacking() if description.optional else reader.refused.keys()
    if all(point.key in lacking for point in wanted if point.channel):
        raise DriverError(f"{master.where} has none of the map's registers", "is it the right map?")
    if not description.optional or not lacking:
        return reader
    return Reader(master, [point for point in wanted if point.key not in lacking], read_max, gap_max)
