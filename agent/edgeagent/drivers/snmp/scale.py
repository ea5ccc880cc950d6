"""From the number in an answer to the quantity's unit, or to the fault that it stands for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from edgeagent.drivers.snmp.ber import VarValue
from edgeagent_sdk.channel import Fault, Value


class Scale(NamedTuple):
    """One point's: value = number x factor / divisor + offset. The rest as in `profile.Column`."""

    factor: float
    divisor: float
    offset: float
    codes: Mapping[int, float]
    missing: frozenset[int]
    least: int | None

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
        if self.codes:
            known = self.codes.get(number)
            return (
                Fault(f"the device says {number}, which is no state it can be in") if known is None else known
            )
        return number * self.factor / self.divisor + self.offset


def ratio(factor: float) -> tuple[float, float]:
    """A factor and a divisor of 1, or the other way round: 3 / 10 is 0.3, which 3 x 0.1 is not."""
    inverse = float(round(1 / factor)) if 0 < factor < 1 else 0.0
    return (1.0, inverse) if inverse and abs(inverse * factor - 1) < 1e-9 else (factor, 1.0)
