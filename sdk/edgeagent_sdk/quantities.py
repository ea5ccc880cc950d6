"""The table of quantities: what can be measured, in which unit, and how it behaves.

Units are UCUM codes (https://ucum.org). A gauge may go up and down; a counter only grows, over
wraps and restarts of what it counts. `minimum` and `maximum` are the bounds of the physically
plausible for any machine: outside them a sensor lies, and its value is a fault, not a number.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Final, NamedTuple

from edgeagent_sdk.errors import WireError


class Kind(StrEnum):
    """How a quantity behaves over time."""

    GAUGE = "gauge"
    COUNTER = "counter"


class Quantity(NamedTuple):
    """One row of the table."""

    name: str
    unit: str
    kind: Kind
    minimum: float
    maximum: float
    meaning: str


_INF: Final = math.inf
_G, _C = Kind.GAUGE, Kind.COUNTER

_TABLE: Final = (
    # name, UCUM unit, kind, plausible minimum, plausible maximum, meaning
    Quantity("power", "W", _G, -1e9, 1e9, "active power; negative where energy flows back"),
    Quantity("energy", "J", _C, 0, _INF, "active energy since the counter began"),
    Quantity("apparent_power", "VA", _G, 0, 1e9, "apparent power"),
    Quantity("reactive_power", "var", _G, -1e9, 1e9, "reactive power; negative is capacitive"),
    Quantity("power_factor", "1", _G, -1, 1, "active over apparent power"),
    Quantity("voltage", "V", _G, -1e6, 1e6, "voltage"),
    Quantity("current", "A", _G, -1e6, 1e6, "current; negative where it flows back"),
    Quantity("temperature", "Cel", _G, -100, 300, "temperature"),
    Quantity("frequency", "Hz", _G, 0, 1e12, "clock or line frequency"),
    Quantity("flow", "L/min", _G, -1e6, 1e6, "volumetric flow of a coolant"),
    Quantity("speed", "{rpm}", _G, 0, 1e6, "rotation of a fan or a pump"),
    Quantity("duty", "1", _G, 0, 1, "duty cycle of a fan, a pump or a heater"),
    Quantity("utilization", "1", _G, 0, 1, "share of a capacity in use"),
    Quantity("pressure", "kPa", _G, -1e3, 1e6, "pressure of a coolant or of air"),
    Quantity("humidity", "%", _G, 0, 100, "relative humidity"),
    Quantity("latency", "s", _G, 0, _INF, "time that one unit of work took"),
    Quantity("soc", "1", _G, 0, 1, "state of charge of a battery"),
    Quantity("runtime", "s", _G, 0, _INF, "time for which a battery still lasts at this load"),
    Quantity("pue", "1", _G, 1, 100, "power usage effectiveness, ISO/IEC 30134-2"),
    Quantity("carbon_intensity", "g/(kW.h)", _G, 0, 1e4, "CO2-equivalent per electrical energy"),
    Quantity("price", "{money}/(MW.h)", _G, -1e6, 1e6, "price of energy in the market's currency"),
    Quantity("load", "1", _G, 0, 1e6, "runnable tasks, averaged (load average)"),
    Quantity("rate", "/s", _G, 0, _INF, "events per second"),
    Quantity("age", "s", _G, 0, _INF, "time since something was last seen"),
    Quantity("size", "By", _G, 0, _INF, "bytes of memory or storage"),
    Quantity("depth", "1", _G, 0, _INF, "things that wait in a queue"),
    Quantity("state", "1", _G, -_INF, _INF, "a coded state; its meaning is in describe"),
    Quantity("anomaly", "1", _G, 0, _INF, "how unlike itself something is; from 1 on an alarm"),
    Quantity("duration", "s", _C, 0, _INF, "time spent in a state since the counter began"),
    Quantity("data", "By", _C, 0, _INF, "bytes moved since the counter began"),
    Quantity("count", "1", _C, 0, _INF, "events since the counter began"),
)

QUANTITIES: Final[dict[str, Quantity]] = {row.name: row for row in _TABLE}
"""The rows of the table by their names."""


def quantity(name: str) -> Quantity:
    """The row called `name`.

    Raises:
        WireError: no such quantity.
    """
    try:
        return QUANTITIES[name]
    except KeyError:
        raise WireError(f"unknown quantity {name!r}; known: {', '.join(QUANTITIES)}") from None
