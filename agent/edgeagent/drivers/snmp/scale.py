"""From the number in an answer to the quantity's unit, or to the fault that it stands for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from edgeagent.drivers.snmp.ber import VarValue
from edgeagent.drivers.snmp.profile import Column, Meaning
from edgeagent.drivers.snmp.rows import Rows
from edgeagent.drivers.snmp.walk import Index
from edgeagent_sdk.channel import Fault, Value

#: RFC 3433, EntitySensorDataScale: the code of 10^0; each next one is a thousand times more.
_PREFIX_NONE = 9

#: No prefix of the SI goes further.
_POWER_MAX = 24


class Scale(NamedTuple):
    """One point's: value = number x factor / divisor + offset. The rest as in `profile.Column`.

    Args:
        trouble: why the device's numbers mean nothing; empty if they do.
    """

    factor: float
    divisor: float
    offset: float
    codes: Mapping[int, float]
    missing: frozenset[int]
    least: int | None
    trouble: str = ""

    def lacking(self, number: VarValue) -> bool:
        """Whether the device says with this number that it has none."""
        return number in self.missing or (
            self.least is not None and isinstance(number, int) and number < self.least
        )

    def value(self, number: VarValue) -> Value:
        """What the number says."""
        if not isinstance(number, int):
            return Fault(f"the device says {number!r}, which is no number")
        if self.lacking(number):
            return Fault(f"the device says {number}: not available")
        if self.trouble:
            return Fault(self.trouble)
        if self.codes:
            known = self.codes.get(number)
            return Fault(f"the device says {number}, which is no state of it") if known is None else known
        return number * self.factor / self.divisor + self.offset


def scale_of(rows: Rows, column: Column, meaning: Meaning, index: Index) -> Scale:
    """How a row's number is to be read, by its column and by what the device says beside it."""
    power, trouble = _power(rows, column, index)
    factor, offset = meaning.scale * 10.0**power, 0.0
    if column.fahrenheit and rows.cell(column.fahrenheit[0], index) == column.fahrenheit[1]:
        factor, offset = factor / 1.8, -32 / 1.8
    codes = {int(code): value for code, value in column.codes.items()}
    return Scale(*_ratio(factor), offset, codes, frozenset(column.missing), column.least, trouble)


def _power(rows: Rows, column: Column, index: Index) -> tuple[int, str]:
    """The power of ten that the number counts, or why that is not known."""
    power = 0
    for oid, sign, zero in (
        (column.digits, -1, 0),
        (column.exponent, 1, 0),
        (column.prefix, 3, _PREFIX_NONE),
    ):
        if oid:
            number = rows.cell(oid, index)
            if not isinstance(number, int) or abs(number - zero) > _POWER_MAX:
                return 0, f"its scale is not known: the device says {number!r}"
            # By RFC 3433 a precision below 0 tells how many digits are good, and shifts nothing.
            power += 0 if oid == column.digits and number < 0 else sign * (number - zero)
    return power, ""


def _ratio(factor: float) -> tuple[float, float]:
    """A factor and a divisor of 1, or the other way round: 3 / 10 is 0.3, which 3 x 0.1 is not."""
    inverse = float(round(1 / factor)) if 0 < factor < 1 else 0.0
    return (1.0, inverse) if inverse and abs(inverse * factor - 1) < 1e-9 else (factor, 1.0)
