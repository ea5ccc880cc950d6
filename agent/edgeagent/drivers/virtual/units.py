"""Units as dimension and factor, so that an expression over channels can be checked before it runs.

A subset of UCUM (https://ucum.org/ucum): products by ``.``, quotients by ``/``, integer exponents, SI
prefixes, annotations in braces. The factors lead to the coherent SI unit. The volt-ampere and the var
are the watt here, so that a power factor comes out without a unit.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final, NamedTuple

from edgeagent_sdk.errors import EdgeError

#: The order of the exponents in `Unit.dimension`.
_BASE: Final = ("m", "kg", "s", "A", "K", "By", "money")


class UnitError(EdgeError):
    """Not a unit, or two that do not go together."""


class Unit(NamedTuple):
    """How many of the coherent SI unit it is, and the exponents of the base units in that."""

    factor: float
    dimension: tuple[int, ...]

    def times(self, other: Unit, power: int = 1) -> Unit:
        """The product with `other` to the `power`."""
        dimension = tuple(a + power * b for a, b in zip(self.dimension, other.dimension, strict=True))
        return Unit(self.factor * other.factor**power, dimension)

    def to_the(self, power: int) -> Unit:
        """This unit to an integer `power`."""
        return ONE.times(self, power)


def describe(dimension: tuple[int, ...]) -> str:
    """A dimension in its base units, e.g. ``kg.m2/s3`` as ``m2.kg.s-3``; ``1`` for none."""
    parts = [f"{base}{'' if n == 1 else n}" for base, n in zip(_BASE, dimension, strict=True) if n]
    return ".".join(parts) or "1"


ONE: Final = Unit(1.0, (0,) * len(_BASE))


def _base(name: str) -> Unit:
    return Unit(1.0, tuple(int(name == base) for base in _BASE))


_NEWTON: Final = _base("kg").times(_base("m")).times(_base("s"), -2)
_JOULE: Final = _NEWTON.times(_base("m"))
_WATT: Final = _JOULE.times(_base("s"), -1)
_LITRE: Final = Unit(1e-3, _base("m").to_the(3).dimension)


def _scaled(factor: float, unit: Unit) -> Unit:
    return unit._replace(factor=factor * unit.factor)


#: Symbols; those in the second table take no prefix.
_METRIC: Final = {
    "m": _base("m"),
    "g": _scaled(1e-3, _base("kg")),
    "s": _base("s"),
    "A": _base("A"),
    "K": _base("K"),
    "N": _NEWTON,
    "J": _JOULE,
    "W": _WATT,
    "VA": _WATT,
    "var": _WATT,
    "V": _WATT.times(_base("A"), -1),
    "Hz": _base("s").to_the(-1),
    "Pa": _NEWTON.times(_base("m"), -2),
    "L": _LITRE,
    "By": _base("By"),
}
_PLAIN: Final = {
    "1": ONE,
    "%": _scaled(0.01, ONE),
    "Cel": _base("K"),
    "min": _scaled(60.0, _base("s")),
    "h": _scaled(3600.0, _base("s")),
    "d": _scaled(86400.0, _base("s")),
    "money": _base("money"),
    "{rpm}": _base("s").to_the(-1).times(Unit(1 / 60, ONE.dimension)),
    "{money}": _base("money"),
}
_PREFIX: Final = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "m": 1e-3, "u": 1e-6, "n": 1e-9}

_TOKEN: Final = re.compile(r"\s*(?:([./()])|(\{\w+\}|[A-Za-z]+|%|1)(-?\d+)?)")


@cache
def parse_unit(text: str) -> Unit:
    """The unit that `text` writes, e.g. ``J/(kg.K)``.

    Raises:
        UnitError: with the part that is not understood.
    """
    tokens: list[Unit | str] = []
    at = 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if not match:
            raise UnitError(f"unit {text!r}: not understood from {text[at:]!r} on")
        sign, symbol, exponent = match.groups()
        tokens.append(sign or _symbol(symbol, text).to_the(int(exponent or 1)))
        at = match.end()
    unit, rest = _product(tokens, text)
    if rest:
        raise UnitError(f"unit {text!r}: a ) too many")
    return unit


def _symbol(symbol: str, text: str) -> Unit:
    if symbol in _PLAIN:
        return _PLAIN[symbol]
    if symbol in _METRIC:
        return _METRIC[symbol]
    if symbol[:1] in _PREFIX and symbol[1:] in _METRIC:
        return _scaled(_PREFIX[symbol[:1]], _METRIC[symbol[1:]])
    known = ", ".join([*_METRIC, *_PLAIN])
    raise UnitError(f"unit {text!r}: unknown {symbol!r}; known, some with k, M, G, m, u in front: {known}")


def _product(tokens: list[Unit | str], text: str) -> tuple[Unit, list[Unit | str]]:
    """A product up to a closing parenthesis or the end, and what follows. UCUM: left to right."""
    unit, power, wants = ONE, 1, True
    while tokens and tokens[0] != ")":
        token, *tokens = tokens
        if token == "(" and wants:
            inner, tokens = _product(tokens, text)
            if not tokens:
                raise UnitError(f"unit {text!r}: a ) is missing")
            token, tokens = inner, tokens[1:]
        if isinstance(token, Unit) and wants:
            unit, power, wants = unit.times(token, power), 1, False
        elif token in (".", "/") and (not wants or (token == "/" and unit is ONE)):
            power, wants = (-1 if token == "/" else 1), True
        else:
            raise UnitError(f"unit {text!r}: {token if isinstance(token, str) else 'a unit'} out of place")
    if wants:
        raise UnitError(f"unit {text!r}: ends where a unit is expected")
    return unit, tokens
