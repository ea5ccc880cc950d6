"""Our tables of SunSpec models against the definitions that SunSpec publishes."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import pytest

from edgeagent.drivers.modbus.mapfile import load, shipped_path
from edgeagent.drivers.modbus.sunspec import _MAKER, _MODEL, _SERIAL, TABLES

TYPES = {"uint16": "u16", "int16": "i16", "acc32": "u32", "enum16": "u16"}

#: SunSpec's unit → our quantity, and the unit as a map writes it.
UNITS = {
    "A": ("current", ""),
    "V": ("voltage", ""),
    "W": ("power", ""),
    "VA": ("apparent_power", ""),
    "var": ("reactive_power", ""),
    "Pct": ("power_factor", "%"),
    "Hz": ("frequency", ""),
    "Wh": ("energy", "Wh"),
    "C": ("temperature", ""),
    None: ("state", ""),
}


def definition(number: int) -> dict[int, dict[str, Any]]:
    """A model's points by their distance from its id."""
    text = files("sunspec2").joinpath("models", "json", f"model_{number}.json").read_text()
    found, at = {}, 0
    for point in json.loads(text)["group"]["points"]:
        found[at] = point
        at += point["size"]
    return found


@pytest.mark.parametrize("number", TABLES)
def test_every_register_is_a_point_of_the_model(number: int) -> None:
    table, defined = load(shipped_path(TABLES[number])), definition(number)
    for key, register in table.register.items():
        point = defined[register.address]
        assert (register.type or table.type) == TYPES[point["type"]], key
        assert (key.partition("/")[0], register.unit) == UNITS[point.get("units")], key
        scaled = defined[register.exponent]["name"] if register.exponent is not None else None
        assert scaled == point.get("sf"), key


@pytest.mark.parametrize("number", TABLES)
def test_what_every_device_has_is_shown(number: int) -> None:
    """All mandatory measurements; events and what counts apparent and reactive energy is not."""
    shown = {register.address for register in load(shipped_path(TABLES[number])).register.values()}
    for address, point in definition(number).items():
        if point.get("mandatory") == "M" and point["type"] in TYPES and address >= 2:
            assert address in shown, point["name"]


def test_the_common_model() -> None:
    defined = definition(1)
    for (address, size), name in ((_MAKER, "Mn"), (_MODEL, "Md"), (_SERIAL, "SN")):
        assert (defined[address]["name"], defined[address]["size"]) == (name, size)
