"""The register map of a SunSpec three-phase meter: models 1 (common) and 203 (wye-connected meter).

Source: SunSpec Alliance, Device Information Model Specification, and the model definitions
smdx_00001 and smdx_00203. Holding registers from 40000: the marker ``SunS``, then models one after the other
(number, length, points), then the end marker. Integers are big-endian; a point's value is its count times
10 to the power of its scale factor, itself a register. What this meter does not measure holds the code
"not implemented".

The points of model 203, from register 40072; those without a meaning here are not implemented:

| point | register | unit |
|---|---|---|
| A, AphA, AphB, AphC | 40072–40075 | A, scale 40076 |
| PhV, PhVphA, PhVphB, PhVphC | 40077–40080 | V line to neutral, scale 40085 |
| PPV, PhVphAB, PhVphBC, PhVphCA | 40081–40084 | V line to line, scale 40085 |
| Hz | 40086 | Hz, scale 40087 |
| W, WphA, WphB, WphC | 40088–40091 | W, scale 40092 |
| VA, VAphA … VAphC | 40093–40096 | VA, scale 40097 |
| VAR, VARphA … VARphC | 40098–40101 | var, scale 40102 |
| PF, PFphA … PFphC | 40103–40106 | %, scale 40107 |
| TotWhExp, … PhA … PhC | 40108–40115 | Wh, scale 40124 |
| TotWhImp, … PhA … PhC | 40116–40123 | Wh, scale 40124 |
| Evt | 40175 | bits: 2 power failure, 3 under-voltage, 5 over-current |
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

BASE: Final = 40000
_COMMON, _METER, _END = 1, 203, 0xFFFF
_COMMON_LENGTH, _METER_LENGTH = 66, 105

_PHASES: Final = ("A", "B", "C")
_PAIRS: Final = ("AB", "BC", "CA")
_NONE_INT16: Final = 0x8000
_JOULES_PER_WH: Final = 3600.0
_YEAR_S: Final = 365 * 86400.0

POWER_FAILURE, UNDER_VOLTAGE, OVER_CURRENT = 1 << 2, 1 << 3, 1 << 5


class Rating(NamedTuple):
    """What a meter is made for; it decides the scale factors, which a meter never changes."""

    voltage_v: float
    current_a: float


class Phase(NamedTuple):
    """What is measured on one phase; energy counts from the beginning."""

    voltage_v: float
    current_a: float
    power_w: float
    apparent_va: float
    imported_j: float
    exported_j: float


class _Point(NamedTuple):
    name: str
    size: int = 1


def _layout() -> tuple[_Point, ...]:
    """The points of model 203, in the order of their registers."""
    counters = ("TotWhExp", "TotWhImp"), ("TotVAhExp", "TotVAhImp")
    quadrants = ("TotVArhImpQ1", "TotVArhImpQ2", "TotVArhExpQ3", "TotVArhExpQ4")
    points = [_Point("A"), *(_Point(f"Aph{p}") for p in _PHASES), _Point("A_SF")]
    points += [_Point("PhV"), *(_Point(f"PhVph{p}") for p in _PHASES)]
    points += [_Point("PPV"), *(_Point(f"PhVph{p}") for p in _PAIRS), _Point("V_SF")]
    points += [_Point("Hz"), _Point("Hz_SF")]
    for name in ("W", "VA", "VAR", "PF"):
        points += [_Point(name), *(_Point(f"{name}ph{p}") for p in _PHASES), _Point(f"{name}_SF")]
    for group, factor in zip((*counters, quadrants), ("TotWh_SF", "TotVAh_SF", "TotVArh_SF"), strict=True):
        for name in group:
            points += [_Point(name, 2), *(_Point(f"{name}Ph{p}", 2) for p in _PHASES)]
        points.append(_Point(factor))
    return (*points, _Point("Evt", 2))


POINTS: Final = _layout()


class Scales(NamedTuple):
    """Powers of ten of a meter's counts."""

    current: int
    voltage: int
    frequency: int
    power: int
    factor: int
    energy: int


def scales(rating: Rating) -> Scales:
    """The finest scales at which one and a half times the rating fits, and a year's energy."""
    power_w = 3 * rating.voltage_v * rating.current_a
    return Scales(
        current=_fitting(1.5 * 3 * rating.current_a, 0x7FFF),
        voltage=_fitting(1.5 * math.sqrt(3) * rating.voltage_v, 0x7FFF),
        frequency=-2,
        power=_fitting(1.5 * power_w, 0x7FFF),
        factor=-2,
        energy=_fitting(power_w * _YEAR_S / _JOULES_PER_WH, 0xFFFF_FFFF),
    )


def registers(
    phases: Sequence[Phase], frequency_hz: float, scales: Scales, event: int, identity: Mapping[str, str]
) -> list[int]:
    """All registers from `BASE` on.

    Args:
        phases: three.
        event: bits, e.g. `POWER_FAILURE`.
        identity: texts of model 1: ``Mn`` maker, ``Md`` model, ``Vr`` version, ``SN`` serial number.
    """
    values = _values(phases, frequency_hz, scales, event)
    meter = [register for point in POINTS for register in _encoded(point, values.get(point.name))]
    common = [
        *_text(identity.get("Mn", ""), 16),
        *_text(identity.get("Md", ""), 16),
        *_text("", 8),
        *_text(identity.get("Vr", ""), 8),
        *_text(identity.get("SN", ""), 16),
        1,  # address of the device
        _NONE_INT16,  # filled up to an even length
    ]
    return [
        *_text("SunS", 2),
        *(_COMMON, _COMMON_LENGTH, *common),
        *(_METER, _METER_LENGTH, *meter),
        *(_END, 0),
    ]


def _values(phases: Sequence[Phase], frequency_hz: float, scales: Scales, event: int) -> dict[str, int]:
    """Counts of all points that are measured."""
    volt = [phase.voltage_v for phase in phases]
    line = [math.sqrt(a * a + b * b + a * b) for a, b in zip(volt, volt[1:] + volt[:1], strict=True)]
    power_w = [phase.power_w for phase in phases]
    apparent_va = [phase.apparent_va for phase in phases]
    reactive_var = [math.sqrt(max(s * s - p * p, 0.0)) for s, p in zip(apparent_va, power_w, strict=True)]
    percent = [100 * p / s if s > 0 else 100.0 for p, s in zip(power_w, apparent_va, strict=True)]
    total_va = math.hypot(sum(power_w), sum(reactive_var))
    total_percent = 100 * sum(power_w) / total_va if total_va > 0 else 100.0
    current_a = [phase.current_a for phase in phases]
    counts = {
        **_group("A", sum(current_a), "Aph", _PHASES, current_a, scales.current),
        **_group("PhV", sum(volt) / 3, "PhVph", _PHASES, volt, scales.voltage),
        **_group("PPV", sum(line) / 3, "PhVph", _PAIRS, line, scales.voltage),
        **_group("Hz", frequency_hz, "", (), (), scales.frequency),
        **_group("W", sum(power_w), "Wph", _PHASES, power_w, scales.power),
        **_group("VA", total_va, "VAph", _PHASES, apparent_va, scales.power),
        **_group("VAR", sum(reactive_var), "VARph", _PHASES, reactive_var, scales.power),
        **_group("PF", total_percent, "PFph", _PHASES, percent, scales.factor),
        "A_SF": scales.current,
        "V_SF": scales.voltage,
        "Hz_SF": scales.frequency,
        "W_SF": scales.power,
        "VA_SF": scales.power,
        "VAR_SF": scales.power,
        "PF_SF": scales.factor,
        "TotWh_SF": scales.energy,
        "Evt": event,
    }
    for name, joules in (
        ("TotWhExp", [phase.exported_j for phase in phases]),
        ("TotWhImp", [phase.imported_j for phase in phases]),
    ):
        hours = [value / _JOULES_PER_WH for value in joules]
        counts |= _group(name, sum(hours), f"{name}Ph", _PHASES, hours, scales.energy)
    return counts


def _group(
    total_name: str, total: float, prefix: str, suffixes: Sequence[str], parts: Sequence[float], scale: int
) -> dict[str, int]:
    """A total and its parts, as counts."""
    counts = {f"{prefix}{s}": round(v / 10.0**scale) for s, v in zip(suffixes, parts, strict=True)}
    return {total_name: round(total / 10.0**scale)} | counts


def _encoded(point: _Point, count: int | None) -> list[int]:
    """The registers of a point. A counter that is not there holds 0, another point 0x8000."""
    if point.size == 2:
        wrapped = (count or 0) & 0xFFFF_FFFF
        return [wrapped >> 16, wrapped & 0xFFFF]
    return [_NONE_INT16 if count is None else min(max(count, -0x7FFF), 0x7FFF) & 0xFFFF]


def _text(text: str, size: int) -> list[int]:
    """So many registers of text, filled up with NUL."""
    raw = text.encode("ascii", "replace")[: 2 * size].ljust(2 * size, b"\0")
    return [raw[i] << 8 | raw[i + 1] for i in range(0, 2 * size, 2)]


def _fitting(value: float, most: int) -> int:
    """The smallest power of ten by which `value` fits into a register that holds `most`."""
    return max(-4, math.ceil(math.log10(value / most)))
