"""Register maps as TOML files, and every mistake in them with its line."""

from __future__ import annotations

import math
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from edgeagent.drivers.modbus import units
from edgeagent.drivers.modbus.mapkeys import MapFile, MapHead, Output, Place, Register
from edgeagent.drivers.modbus.numbers import KINDS
from edgeagent_sdk.config import ConfigError, Document, KeyPath, Problem, read
from edgeagent_sdk.errors import EdgeError
from edgeagent_sdk.names import check_name
from edgeagent_sdk.plugins import nearest
from edgeagent_sdk.quantities import QUANTITIES

_BIT_SPACES = ("coil", "discrete")

P = TypeVar("P", bound=Place)


def shipped() -> list[str]:
    """The names of the maps that come with the driver."""
    return sorted(
        name.removesuffix(".toml")
        for name in (entry.name for entry in files(__package__).joinpath("maps").iterdir())
        if name.endswith(".toml") and not name.startswith("sunspec-")
    )


def shipped_path(name: str) -> Path:
    """The file of a map that comes with the driver."""
    return Path(str(files(__package__).joinpath("maps", f"{name}.toml")))


def load(path: Path) -> MapFile:
    """Read a map. Raises ConfigError with every mistake in it."""
    document = read(path)
    table = dict(document.data)
    registers, outputs = table.pop("register", {}), table.pop("output", {})
    head = document.bind(table, MapHead, also=["register", "output"])
    _check_head(document, head or MapHead(title="", source=""))
    found = MapFile(
        **msgspec.structs.asdict(head or MapHead(title="", source="")),
        register=dict(_entries(document, registers, Register, "register")),
        output=dict(_entries(document, outputs, Output, "output")),
    )
    if not registers:
        document.complain(("register",), "has no registers")
    _check(document, found)
    document.finish()
    return found


def _entries(document: Document, table: Any, kind: type[P], name: str) -> Iterator[tuple[str, P]]:
    """Those of a table's entries that are sound in themselves."""
    if not isinstance(table, dict):
        document.complain((name,), f"must be a table [{name}]")
        return
    for key, entry in table.items():
        if not isinstance(entry, dict):
            document.complain((name, key), "must be a table { address = …, … }")
        elif found := document.bind(entry, kind, (name, key)):
            yield key, found


def _check_head(document: Document, head: MapHead) -> None:
    for kind in head.unavailable:
        if kind not in KINDS:
            document.complain(("unavailable", kind), f"unknown type; {nearest(kind, list(KINDS))}")
    for quantity, (low, high) in head.limits.items():
        if quantity not in QUANTITIES:
            document.complain(
                ("limits", quantity), f"unknown quantity; {nearest(quantity, list(QUANTITIES))}"
            )
        elif not low < high:
            document.complain(("limits", quantity), f"must be [smaller, larger], not [{low:g}, {high:g}]")


def _check(document: Document, table: MapFile) -> None:
    for key, register in table.register.items():
        _check_place(document, table, ("register", key), key, register)
        if register.exponent is not None and (register.space or table.space) in _BIT_SPACES:
            document.complain(("register", key, "exponent"), "a coil has none")
    for key, output in table.output.items():
        _check_place(document, table, ("output", key), key, output)
        if (output.space or table.space) not in ("holding", "coil"):
            document.complain(
                ("output", key, "space"), 'must be "holding" or "coil": others cannot be written'
            )
        if not output.minimum < output.maximum:
            document.complain(("output", key, "maximum"), "must be larger than minimum")
    _check_overlap(document, table)


def _check_place(document: Document, table: MapFile, path: KeyPath, key: str, place: Place) -> None:
    quantity, _, name = key.partition("/")
    if quantity not in QUANTITIES or not name:
        hint = nearest(quantity, list(QUANTITIES)) if name else 'must be "quantity/channel"'
        document.complain(path, f"unknown quantity; {hint}" if name else hint)
        return
    try:
        check_name(name, "channel")
    except EdgeError as error:
        document.complain(path, str(error))
    if units.factor(quantity, place.unit) is None:
        known = ", ".join(units.units_of(quantity))
        document.complain((*path, "unit"), f"{place.unit!r} is no unit of {quantity}; known: {known}")
    if not place.scale or not math.isfinite(place.scale):
        document.complain((*path, "scale"), "must be a number other than 0")
    bits, kind = (place.space or table.space) in _BIT_SPACES, place.type or table.type
    if bits and place.type not in (None, "bit"):
        document.complain((*path, "type"), f'a {place.space or table.space} is a "bit", not {kind!r}')
    if not bits and kind == "bit":
        document.complain((*path, "type"), '"bit" is for coils and discrete inputs')
    words = 1 if bits else KINDS[kind].words
    last = place.address - table.base + words - 1
    if place.address < table.base or last > 0xFFFF:
        document.complain(
            (*path, "address"), f"is outside the registers {table.base} to {table.base + 0xFFFF}"
        )
    if words > table.read_max:
        document.complain((*path, "type"), f"takes {words} registers, more than read_max = {table.read_max}")


def _check_overlap(document: Document, table: MapFile) -> None:
    """Two registers that share a word: one of the two addresses or types is wrong."""
    taken: dict[tuple[str, int], str] = {}
    for key, register in table.register.items():
        space = register.space or table.space
        words = 1 if space in _BIT_SPACES else KINDS[register.type or table.type].words
        for address in range(register.address, register.address + words):
            other = taken.setdefault((space, address), key)
            if other != key:
                document.complain(
                    ("register", key, "address"),
                    f"register {address} is part of {other!r} already: a wrong address or type",
                )
                break


def missing(name: str) -> ConfigError:
    """The error for a map that is none."""
    known = [*shipped(), "sunspec", "sensor-node"]
    return ConfigError(
        [
            Problem(
                "",
                0,
                "map",
                f"no map {name!r}; {nearest(name, known)}; a file of one's own is given as a path",
            )
        ]
    )
