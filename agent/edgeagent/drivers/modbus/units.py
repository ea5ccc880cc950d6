"""The units that manuals give registers in, and what one of each is in our own.

Source: our quantities are in SI units; 1 kWh = 3.6e6 J exactly (BIPM, The International System of Units,
9th edition, table 8).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from edgeagent_sdk.quantities import QUANTITIES


class Unit(NamedTuple):
    """A unit of a manual: of which quantities, and its size in theirs."""

    quantities: tuple[str, ...]
    factor: float


_SHARES: Final = ("power_factor", "utilization", "duty", "soc")

UNITS: Final[dict[str, Unit]] = {
    "mW": Unit(("power",), 1e-3),
    "kW": Unit(("power",), 1e3),
    "MW": Unit(("power",), 1e6),
    "kVA": Unit(("apparent_power",), 1e3),
    "kvar": Unit(("reactive_power",), 1e3),
    "Wh": Unit(("energy",), 3.6e3),
    "kWh": Unit(("energy",), 3.6e6),
    "MWh": Unit(("energy",), 3.6e9),
    "mJ": Unit(("energy",), 1e-3),
    "mV": Unit(("voltage",), 1e-3),
    "kV": Unit(("voltage",), 1e3),
    "mA": Unit(("current",), 1e-3),
    "kHz": Unit(("frequency",), 1e3),
    "%": Unit(_SHARES, 1e-2),
    "bar": Unit(("pressure",), 1e2),
    "min": Unit(("duration",), 60.0),
    "h": Unit(("duration",), 3600.0),
}


def factor(quantity: str, unit: str) -> float | None:
    """What one `unit` is in the quantity's own; None if it is no unit of it."""
    if unit in ("", QUANTITIES[quantity].unit):
        return 1.0
    known = UNITS.get(unit)
    return known.factor if known and quantity in known.quantities else None


def units_of(quantity: str) -> list[str]:
    """All units that a quantity may be given in."""
    others = [name for name, unit in UNITS.items() if quantity in unit.quantities]
    return [QUANTITIES[quantity].unit, *others]
