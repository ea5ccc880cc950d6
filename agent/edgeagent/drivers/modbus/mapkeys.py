"""The keys of a register map, in one place: bounds, defaults and meaning.

A map names its registers ``"quantity/channel"``, as deadbands and calibrations do::

    title = "Eastron SDM120"
    source = "SDM120-Modbus User Manual, input registers"
    space = "input"
    type = "f32"

    [register]
    "voltage/in" = { address = 0x00 }
    "energy/in" = { address = 0x48, unit = "kWh" }
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from edgeagent_sdk.quantities import QUANTITIES

Space = Literal["holding", "input", "coil", "discrete"]
Type = Literal["bit", "u16", "i16", "u32", "i32", "u64", "i64", "f32", "f64"]
Order = Literal["high-first", "low-first"]


def _key(description: str, **bounds: Any) -> Any:
    return msgspec.Meta(description=description, **bounds)


_Address = Annotated[int, _key("as on the wire, or as the manual counts with `base`", ge=0, le=0x1_FFFF)]


class Place(msgspec.Struct, kw_only=True):
    """Where a number is, and how it is written."""

    address: _Address
    space: Annotated[Space | None, _key("which address space; the map's by default")] = None
    type: Annotated[Type | None, _key("how the number is written; the map's by default")] = None
    word_order: Annotated[Order | None, _key("which word of several comes first")] = None
    unit: Annotated[str, _key("the manual's unit; by default the quantity's own")] = ""
    scale: Annotated[float, _key("what one count is, in that unit")] = 1.0
    description: Annotated[str, _key("for people")] = ""


class Register(Place, kw_only=True):
    """A channel."""

    offset: Annotated[float, _key("added after scaling, in the unit")] = 0.0
    exponent: Annotated[
        _Address | None, _key("address of an i16 register: the value counts ten to its power")
    ] = None
    unavailable: Annotated[
        list[int] | None, _key('raw values that say "none"; by default the map\'s for this type')
    ] = None
    minimum: Annotated[float | None, _key("smaller is a fault, in the quantity's own unit")] = None
    maximum: Annotated[float | None, _key("larger is a fault, in the quantity's own unit")] = None


class Output(Place, kw_only=True):
    """An actuator: a coil or holding register that may be written between two limits."""

    minimum: Annotated[float, _key("least that may be set, in the quantity's own unit")]
    maximum: Annotated[float, _key("most that may be set, in the quantity's own unit")]
    write_many: Annotated[bool, _key("the device takes function 16 only, even for one register")] = False


class SerialNumber(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Where the device's own serial number is."""

    address: _Address
    type: Annotated[Literal["text", "u16", "u32", "u64"], _key("how it is written")] = "text"
    words: Annotated[int, _key("registers of a text", ge=1, le=64)] = 1
    space: Annotated[Literal["holding", "input"], _key("which address space")] = "holding"


class MapHead(msgspec.Struct, kw_only=True):
    """What a register map says of the device as a whole."""

    title: Annotated[str, _key("make and model")]
    source: Annotated[str, _key("the manual that the addresses are from, with its edition")]
    serial_number: Annotated[SerialNumber | None, _key("where the device's serial number is")] = None
    space: Annotated[Space, _key("of registers that name none")] = "holding"
    type: Annotated[Type, _key("of registers that name none")] = "u16"
    word_order: Annotated[Order, _key("which word of several comes first")] = "high-first"
    byte_order: Annotated[Order, _key("which byte of a register comes first")] = "high-first"
    base: Annotated[int, _key("the manual's number of the first register: 0, 1, 30001, 40001", ge=0)] = 0
    read_max: Annotated[int, _key("most registers that the device gives in one read", ge=1, le=125)] = 125
    gap_max: Annotated[int, _key("so many unused registers are read over to save a request", ge=0)] = 8
    pause_ms: Annotated[int, _key("what the device needs between two requests", ge=0, le=1000)] = 0
    optional: Annotated[
        bool, _key("registers that the device has not are left out, rather than being faults")
    ] = False
    unavailable: Annotated[dict[str, list[int]], _key('raw values that say "none", by type')] = {}
    limits: Annotated[dict[str, tuple[float, float]], _key("plausible values, by quantity")] = {}


class MapFile(MapHead, kw_only=True):
    """A register map: the channels and what can be set, by ``quantity/name``."""

    register: dict[str, Register]
    output: dict[str, Output] = {}

    def limits_of(self, quantity: str, register: Register) -> tuple[float, float]:
        """Between which values a register's is believed."""
        row = QUANTITIES[quantity]
        low, high = self.limits.get(quantity, (row.minimum, row.maximum))
        return (
            low if register.minimum is None else register.minimum,
            high if register.maximum is None else register.maximum,
        )
