"""SunSpec: inverters and meters that describe themselves by a chain of models.

The tables of the models are register maps like others, with addresses counted from where the model
begins. They hold what we show of a model; the tests compare every address, type and scale factor with
the model definitions that SunSpec publishes (package pysunspec2). The driver itself needs no package.

Source: SunSpec Device Information Model Specification V1.1 (the chain, "not implemented" values);
models 1, 101 to 103 (inverters, integers) and 201 to 204 (meters, integers).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

from edgeagent.drivers.modbus import mapfile
from edgeagent.drivers.modbus.mapkeys import MapFile
from edgeagent.drivers.modbus.points import Point, points
from edgeagent.modbus import pdu
from edgeagent.modbus.master import Master, Refused
from edgeagent_sdk.errors import DriverError

#: Where the chain may begin, and what stands there.
BASES: Final = (40000, 0, 50000)
MARK: Final = b"SunS"

COMMON: Final = 1
TABLES: Final = {
    **dict.fromkeys((101, 102, 103), "sunspec-inverter"),
    **dict.fromkeys((201, 202, 203, 204), "sunspec-meter"),
}

_END: Final = 0xFFFF
_MODELS_MAX: Final = 100

#: In the common model: offset from its begin, and length, in registers.
_MAKER: Final = (2, 16)
_MODEL: Final = (18, 16)
_SERIAL: Final = (50, 16)


class Model(NamedTuple):
    """A model in the chain; `address` is that of its id."""

    number: int
    address: int
    length: int


class Device(NamedTuple):
    """What a device says of itself."""

    maker: str
    model: str
    serial_number: str
    models: tuple[Model, ...]


def look(master: Master) -> Device:
    """Walk a device's chain. Raises DriverError if it is no SunSpec device, or has no model that we know."""
    models = tuple(_chain(master, _begin(master)))
    common = next((model for model in models if model.number == COMMON), None)
    if common is None:
        raise DriverError(f"{master.where}: its SunSpec chain has no common model")
    if not any(model.number in TABLES for model in models):
        numbers = ", ".join(str(model.number) for model in models)
        raise DriverError(
            f"{master.where}: none of its SunSpec models is known here (it has {numbers})",
            f"known are {', '.join(map(str, TABLES))}; write a map of your own for it",
        )
    maker, model, serial = (_text(master, common, *place) for place in (_MAKER, _MODEL, _SERIAL))
    return Device(maker, model, serial, models)


def tables(device: Device) -> Iterator[tuple[MapFile, Model, str]]:
    """The map of each known model, where it is, and what to put in front of its channels' names."""
    seen: dict[str, int] = {}
    for model in device.models:
        if model.number in TABLES:
            name = TABLES[model.number]
            seen[name] = seen.get(name, 0) + 1
            prefix = f"{seen[name]}-" if seen[name] > 1 else ""
            yield mapfile.load(mapfile.shipped_path(name)), model, prefix


def device_points(device: Device, selected: Collection[str]) -> list[Point]:
    """The points of all known models of a device."""
    return [
        point
        for table, model, prefix in tables(device)
        for point in points(table, selected, base=model.address, prefix=prefix)
    ]


def _begin(master: Master) -> int:
    refusals = []
    for base in BASES:
        try:
            if master.read(pdu.READ_HOLDING, base, 2, bytes) == MARK:
                return base + 2
        except Refused as refusal:
            refusals.append(refusal)
    raise DriverError(
        f'{master.where}: no SunSpec device: there is no "SunS" at {", ".join(map(str, BASES))}',
        "enable SunSpec there, or give another map",
    )


def _chain(master: Master, address: int) -> Iterator[Model]:
    for _ in range(_MODELS_MAX):
        head = master.read(pdu.READ_HOLDING, address, 2, bytes)
        number, length = int.from_bytes(head[:2], "big"), int.from_bytes(head[2:], "big")
        if number == _END:
            return
        if not length:
            break
        yield Model(number, address, length)
        address += 2 + length
    raise DriverError(f"{master.where}: its SunSpec chain does not end (damaged at register {address})")


def _text(master: Master, model: Model, offset: int, words: int) -> str:
    data = master.read(pdu.READ_HOLDING, model.address + offset, words, bytes)
    return data.split(b"\0")[0].decode("utf-8", "replace").strip()
