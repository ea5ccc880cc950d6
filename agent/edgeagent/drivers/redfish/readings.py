"""What the properties of Redfish resources mean: a table for each schema, and one reader for all.

Sources: DMTF DSP2046 (Redfish Resource and Schema Guide) for names and units of the properties;
DSP0266, "Sensor excerpts", for values that are copies of a sensor's reading (``DataSourceUri``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from edgeagent_sdk.channel import Fault, Value
from edgeagent_sdk.names import slug

Json = dict[str, Any]


class Rule(NamedTuple):
    """One property that is a reading.

    Args:
        path: where it stands, ``/`` between nested names.
        quantity: empty if the resource itself tells type and unit.
        suffix: what the channel's name ends with.
        scale: from the property's unit to the quantity's.
    """

    path: str
    quantity: str = ""
    suffix: str = ""
    scale: float = 1.0


class Table(NamedTuple):
    """The readings of a resource, or of each member of an array in it.

    Args:
        array: the array; empty for the resource itself.
        label: names the channels; empty for each member's own name.
    """

    rules: tuple[Rule, ...]
    array: str = ""
    label: str = ""


class Item(NamedTuple):
    """One reading.

    Args:
        uri: the resource that it stands in.
        key: what tells it from the resource's others, even when its neighbours come and go.
        source: the sensor that it is a copy of; empty if it is the sensor.
        absent: the part that it belongs to is not there, e.g. an empty bay.
        chassis: the chassis that the resource is of.
    """

    uri: str
    key: str
    name: str
    quantity: str
    value: Value
    source: str
    minimum: float | None
    maximum: float | None
    absent: bool
    chassis: str = ""


_KWH: Final = 3.6e6

_SUPPLY = (
    Rule("InputPowerWatts", "power", "-in"),
    Rule("OutputPowerWatts", "power", "-out"),
    Rule("InputVoltage", "voltage", "-in"),
    Rule("InputCurrentAmps", "current", "-in"),
    Rule("FrequencyHz", "frequency", "-in"),
    Rule("EnergykWh", "energy", "-in", _KWH),
    Rule("TemperatureCelsius", "temperature"),
    Rule("FanSpeedPercent/SpeedRPM", "speed"),
)

TABLES: Final[dict[str, tuple[Table, ...]]] = {
    "EnvironmentMetrics": (
        Table(
            (
                Rule("PowerWatts", "power"),
                Rule("EnergyJoules", "energy"),
                Rule("EnergykWh", "energy", "", _KWH),
                Rule("TemperatureCelsius", "temperature"),
                Rule("HumidityPercent", "humidity"),
                Rule("PowerLimitWatts/SetPoint", "power", "-limit"),
            ),
            label="chassis",
        ),
    ),
    "PowerSupplyMetrics": (Table(_SUPPLY),),
    "ThermalMetrics": (
        Table((Rule("Reading", "temperature"),), "TemperatureReadingsCelsius"),
        Table(
            tuple(
                Rule(f"TemperatureSummaryCelsius/{place}", "temperature", place.lower())
                for place in ("Intake", "Exhaust", "Internal", "Ambient")
            ),
            label="summary-",
        ),
    ),
    "Fan": (Table((Rule("SpeedPercent/SpeedRPM", "speed"), Rule("SpeedPercent", "duty", "", 0.01))),),
    "Sensor": (Table((Rule("Reading"),)),),
    "Power": (
        Table(
            (Rule("PowerConsumedWatts", "power"), Rule("PowerLimit/LimitInWatts", "power", "-limit")),
            "PowerControl",
        ),
        Table(
            (
                Rule("PowerInputWatts", "power", "-in"),
                Rule("PowerOutputWatts", "power", "-out"),
                Rule("LastPowerOutputWatts", "power", "-out"),
                Rule("LineInputVoltage", "voltage", "-in"),
            ),
            "PowerSupplies",
        ),
        Table((Rule("ReadingVolts", "voltage"),), "Voltages"),
    ),
    "Thermal": (
        Table((Rule("ReadingCelsius", "temperature"),), "Temperatures"),
        Table((Rule("Reading"),), "Fans"),
    ),
}

#: `ReadingUnits` (UCUM, and the words of the deprecated schemas) → quantity and scale.
UNITS: Final = {
    "Cel": ("temperature", 1.0),
    "W": ("power", 1.0),
    "kW": ("power", 1e3),
    "J": ("energy", 1.0),
    "kW.h": ("energy", _KWH),
    "W.h": ("energy", 3600.0),
    "V": ("voltage", 1.0),
    "mV": ("voltage", 1e-3),
    "A": ("current", 1.0),
    "mA": ("current", 1e-3),
    "Hz": ("frequency", 1.0),
    "MHz": ("frequency", 1e6),
    "L/min": ("flow", 1.0),
    "L/s": ("flow", 60.0),
    "kPa": ("pressure", 1.0),
    "Pa": ("pressure", 1e-3),
    "RPM": ("speed", 1.0),
    "{rev}/min": ("speed", 1.0),
}

#: `ReadingType` → quantity, and the unit that holds where none is named.
TYPES: Final = {
    "Temperature": ("temperature", "Cel"),
    "Power": ("power", "W"),
    "EnergyJoules": ("energy", "J"),
    "EnergykWh": ("energy", "kW.h"),
    "EnergyWh": ("energy", "W.h"),
    "Voltage": ("voltage", "V"),
    "Current": ("current", "A"),
    "Frequency": ("frequency", "Hz"),
    "LiquidFlow": ("flow", "L/s"),
    "LiquidFlowLPM": ("flow", "L/min"),
    "Pressure": ("pressure", "Pa"),
    "PressurekPa": ("pressure", "kPa"),
    "PressurePa": ("pressure", "Pa"),
    "Rotational": ("speed", "RPM"),
}

#: In these states of a part, a number that it still shows is not of now.
_BLIND = {"Absent", "Disabled", "UnavailableOffline", "Deferring"}

_LOWS = ("ReadingRangeMin", "MinReadingRange", "MinReadingRangeTemp")
_HIGHS = ("ReadingRangeMax", "MaxReadingRange", "MaxReadingRangeTemp")


def items(kind: str, uri: str, body: Json) -> Iterator[Item]:
    """The readings in a resource of schema `kind`; in each resource of an expanded collection."""
    if isinstance(body.get("Members"), list):
        for member in filter(_is_object, body["Members"]):
            yield from items(kind, str(member.get("@odata.id", uri)), member)
        return
    for table in TABLES[kind]:
        members = body.get(table.array) if table.array else [body]
        for i, member in enumerate(members if isinstance(members, list) else ()):
            if _is_object(member):
                label = table.label or _label(member, uri, i)
                yield from _of_member(table, uri, f"{table.array}/{_mark(member, i)}", label, member)


def _of_member(table: Table, uri: str, key: str, label: str, member: Json) -> Iterator[Item]:
    state = _state(member)
    taken: set[tuple[str, str]] = set()
    for rule in table.rules:
        found, raw, source = _dig(member, rule.path)
        quantity, scale, lie = (rule.quantity, rule.scale, "") if rule.quantity else _own_unit(member)
        if not found or not quantity or (quantity, rule.suffix) in taken:
            continue
        taken.add((quantity, rule.suffix))
        low, high = _range(member, scale) if rule.path.startswith("Reading") else (None, None)
        yield Item(
            uri,
            f"{key}/{rule.path}",
            slug(f"{label}{rule.suffix}"),
            quantity,
            Fault(lie) if lie else _value(raw, scale, state),
            source or str(member.get("DataSourceUri", "")),
            low if low is not None else _least(quantity),
            high,
            state == "Absent",
        )


def _dig(member: Json, path: str) -> tuple[bool, Any, str]:
    """Whether the property is there, its value, and the sensor that it is a copy of."""
    node: Any = member
    source = ""
    for name in path.split("/"):
        if not _is_object(node) or name not in node:
            return False, None, ""
        node = node[name]
        if _is_object(node):
            source = str(node.get("DataSourceUri") or "")
    if _is_object(node):
        return "Reading" in node, node.get("Reading"), source
    # A value beside an excerpt's reading, as SpeedRPM is, is a copy of no sensor of its own.
    return True, node, ""


def _value(raw: Any, scale: float, state: str) -> Value:
    if state in _BLIND:
        return Fault(f"the BMC calls the part {state}")
    if raw is None:
        return Fault("the BMC has no reading" + (f" (state {state})" if state else ""))
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        return Fault(f"{str(raw)[:40]!r} is not a number")
    return float(raw) * scale


def _own_unit(member: Json) -> tuple[str, float, str]:
    """Quantity and scale of a sensor that names its type, its unit or both; why it is not to be believed."""
    unit = member.get("ReadingUnits")
    by_type = TYPES.get(str(member.get("ReadingType")))
    if by_type is None:
        if "ReadingType" not in member and unit == "Percent":  # of a fan, in the deprecated schema
            return "duty", 0.01, ""
        quantity, scale = UNITS.get(str(unit), ("", 1.0)) if "ReadingType" not in member else ("", 1.0)
        return quantity, scale, ""
    quantity, usual = by_type
    measured, scale = UNITS.get(str(unit or usual), ("", 1.0))
    lie = "" if measured == quantity else f"the BMC gives a {quantity} in {unit}"
    return quantity, scale, lie


def _range(member: Json, scale: float) -> tuple[float | None, float | None]:
    """What the sensor can read, by the BMC's own word, where that makes sense."""
    low, high = _first(member, _LOWS), _first(member, _HIGHS)
    if low is None or high is None or not low < high:
        return None, None
    return low * scale, high * scale


def _first(member: Json, names: tuple[str, ...]) -> float | None:
    for name in names:
        value = member.get(name)
        if isinstance(value, int | float) and math.isfinite(value):
            return float(value)
    return None


def _least(quantity: str) -> float | None:
    """A server takes power and gives none back."""
    return 0.0 if quantity == "power" else None


def _state(member: Json) -> str:
    status = member.get("Status")
    state = status.get("State") if isinstance(status, dict) else None
    return state if isinstance(state, str) else ""


def _label(member: Json, uri: str, index: int) -> str:
    """What people call it. A resource of metrics is named after the power supply that it is of."""
    if uri.endswith("/Metrics"):
        bay = uri.split("/")[-2]
        return bay if bay.lower().startswith(("psu", "power")) else f"psu-{bay}"
    for name in ("DeviceName", "Name", "MemberId", "Id"):
        text = member.get(name)
        if isinstance(text, str) and text.strip():
            return text
    return f"{uri.rsplit('/', 1)[-1]}-{index}"


def _mark(member: Json, index: int) -> str:
    """What stays with a member when others come and go."""
    for name in ("MemberId", "DataSourceUri", "DeviceName", "@odata.id", "Name"):
        mark = member.get(name)
        if isinstance(mark, str) and mark:
            return mark
    return str(index)


def _is_object(node: Any) -> bool:
    return isinstance(node, dict)
