"""What the parts of an expression compute, out of numbers in SI units."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

Values = Sequence[float]
"""The values of all inputs, in SI units, in the order of `Expression.inputs`."""


@dataclass(frozen=True)
class Constant:
    """A number: a value that a temperature may be multiplied by, since it is known beforehand."""

    number: float

    def __call__(self, values: Values, at_s: float) -> float:
        return self.number


@dataclass(frozen=True)
class Sum:
    """Parts with their signs; a loop, so that a long sum is no deep one."""

    parts: Sequence[tuple[Callable[[Values, float], float], int]]

    def __call__(self, values: Values, at_s: float) -> float:
        total = 0.0
        for part, sign in self.parts:
            total += sign * part(values, at_s)
        return total


@dataclass(frozen=True)
class Product:
    """Parts, each multiplied by (1) or divided by (-1)."""

    parts: Sequence[tuple[Callable[[Values, float], float], int]]

    def __call__(self, values: Values, at_s: float) -> float:
        product = 1.0
        for part, power in self.parts:
            value = part(values, at_s)
            product = product * value if power > 0 else divide(product, value)
        return product


def divide(a: float, b: float) -> float:
    """The quotient; NaN, which becomes a fault, by 0."""
    return a / b if b else math.nan


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


#: What makes one number of many.
FOLDS: Final[dict[str, Callable[[Sequence[float]], float]]] = {
    "sum": math.fsum,
    "mean": _mean,
    "min": min,
    "max": max,
}

#: Function, and whether it halves the exponents of the unit.
FUNCTIONS: Final[dict[str, tuple[Callable[[float], float], bool]]] = {
    "abs": (abs, False),
    "sqrt": (lambda x: math.sqrt(x) if x >= 0 else math.nan, True),
}
