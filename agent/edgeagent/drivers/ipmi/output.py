"""What `ipmitool` prints, taken apart.

Sources: ipmitool(1), ``-c`` for sensors; IPMI 2.0, table 43-15 "sensor unit type codes", for the units'
names; Intel's DCMI 1.5, 6.6 "power management".
"""

from __future__ import annotations

import math
import re
from typing import Final, NamedTuple

from edgeagent_sdk.channel import Fault, Value


class Unit(NamedTuple):
    """Quantity, and what makes a number of ipmitool's one of its unit: ``value * scale + offset``."""

    quantity: str
    scale: float = 1.0
    offset: float = 0.0


#: Without joules: what 8 bits can count is no counter of energy.
UNITS: Final = {
    "degrees C": Unit("temperature"),
    "degrees F": Unit("temperature", 5 / 9, -160 / 9),
    "degrees K": Unit("temperature", 1.0, -273.15),
    "Watts": Unit("power"),
    "Volts": Unit("voltage"),
    "Amps": Unit("current"),
    "VA": Unit("apparent_power"),
    "RPM": Unit("speed"),
    "Hz": Unit("frequency"),
}

#: A percentage says of what only by the sensor's name: of fans it is the duty.
_PERCENT = {"percent", "unspecified percent", "% unspecified"}
_FAN = re.compile(r"fan|pwm|duty", re.IGNORECASE)

_NO_READING = "the BMC has no reading"

#: The code of DCMI for what is not available.
_NOT_AVAILABLE_W = 0xFFFF


class Sensed(NamedTuple):
    """One sensor."""

    name: str
    quantity: str
    value: Value


def sensors(output: str) -> list[Sensed]:
    """The sensors in the CSV of ``sdr elist full`` that measure a quantity of ours, in their order.

    A sensor without a reading says no unit: its quantity is empty.
    """
    found = []
    for line in output.splitlines():
        name, *fields = line.split(",")
        if len(fields) < 3 or not name.strip():
            continue
        raw, unit, status = fields[:3]
        if status == "ns" or raw in ("", "na", "no reading", "disabled"):
            found.append(Sensed(name, "", Fault(_NO_READING)))
        elif (measure := _unit(name, unit)) is not None:
            found.append(Sensed(name, measure.quantity, _value(raw, measure)))
    return found


def system_guid(output: str) -> str:
    """The machine's GUID in what ``mc guid`` prints; empty if it has none, or one of zeros."""
    match = re.search(r"^System GUID\s*:\s*([0-9a-fA-F-]{32,36})\s*$", output, re.MULTILINE)
    guid = match[1].lower() if match else ""
    return guid if guid.strip("0-") else ""


def fields(output: str) -> dict[str, str]:
    """The lines ``name: value`` that ``dcmi power`` prints."""
    found = {}
    for line in output.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            found[name.strip()] = value.strip()
    return found


def power(output: str) -> Value:
    """The power in W that ``dcmi power reading`` prints, or why there is none."""
    said = fields(output)
    watts = number(said.get("Instantaneous power reading", ""), "Watts")
    if said.get("Power reading state is", "").lower() != "activated":
        return Fault("the BMC's power measurement is not active")
    if watts is None or watts == _NOT_AVAILABLE_W:
        return Fault(_NO_READING)
    return watts


def number(text: str, unit: str) -> float | None:
    """The number in ``"216 Watts"``; None if it is another text."""
    match = re.fullmatch(rf"(\d+) {unit}", text.strip())
    return float(match[1]) if match else None


def _unit(name: str, unit: str) -> Unit | None:
    if unit in _PERCENT and _FAN.search(name):
        return Unit("duty", 0.01)
    return UNITS.get(unit)


def _value(raw: str, unit: Unit) -> Value:
    try:
        value = float(raw) * unit.scale + unit.offset
    except ValueError:
        return Fault(f"{raw[:40]!r} is not a number")
    return value if math.isfinite(value) else Fault(f"{raw[:40]!r} is not a number")
