"""Expressions over channels: parsed once, checked for units, then cheap to evaluate.

    {feed-a/power/in} + {feed-b/power/in}
    sum({pdu/power/outlet*}) / {ups/power/out}
    {cdu/flow/in} * 0.997 [kg/L] * 4186 [J/(kg.K)] * ({cdu/temperature/out} - {cdu/temperature/in})
    integral({pdu/power/in})

A channel is ``{device/quantity/name}``, with ``*`` and ``?`` for several; a number may bear a unit in
brackets. All arithmetic is done in coherent SI units. Temperatures are points on a scale: their
difference is an interval, their mean a temperature, and only an interval may be multiplied.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from edgeagent.drivers.virtual.arithmetic import FOLDS, FUNCTIONS, Constant, Product, Sum, Values, divide
from edgeagent.drivers.virtual.integrator import Integrator
from edgeagent.drivers.virtual.lexer import ExpressionError, tokens
from edgeagent.drivers.virtual.units import ONE, Unit, UnitError, describe, parse_unit
from edgeagent_sdk.plugins import nearest

#: What 0 °C is in kelvins (the BIPM's SI brochure, 9th edition, 2.3.1).
_ICE_K: Final = 273.15

_CELSIUS: Final = "Cel"

_DEPTH_MAX: Final = 30
_EXPONENT_MAX: Final = 16
_UNIT_MAX: Final = 100


class ChannelMissing(ExpressionError):
    """A channel that is not there, or not yet."""


class Measure(NamedTuple):
    """What kind of value a part of an expression has.

    Args:
        dimension: exponents of the SI base units.
        points: how many temperatures, less those subtracted, are in it: 0 for anything but a point on
            the Celsius scale.
    """

    dimension: tuple[int, ...]
    points: float = 0.0

    def __str__(self) -> str:
        return "temperature" if self.points else describe(self.dimension)


_NUMBER: Final = Measure(ONE.dimension)


class Term(NamedTuple):
    """A part of an expression, bound to channels: its kind, and how to get its value."""

    measure: Measure
    value: Callable[[Values, float], float]


class Input(NamedTuple):
    """One channel that an expression takes: its key and its unit."""

    device: str
    quantity: str
    channel: str
    unit: str


Lookup = Callable[[str], Sequence[Input]]
"""Finds the channels of a pattern ``device/quantity/name``; empty if there is none."""


@dataclass
class Expression:
    """A parsed expression, bound to the channels that it names.

    Args:
        text: what was written.
        lookup: tells which channels there are.
        gap_s: of integrals.

    Attributes:
        inputs: the channels, each once.
        integrators: in the order in which they are written.

    Raises:
        ExpressionError: with the place and the reason.
    """

    text: str
    lookup: Lookup
    gap_s: float = 60.0
    inputs: list[Input] = field(default_factory=list)
    integrators: list[Integrator] = field(default_factory=list)

    def __post_init__(self) -> None:
        found = tokens(self.text)
        self._tokens = [token.text for token in found]
        self._columns = [*(token.column for token in found), len(self.text) + 1]
        self._at = self._depth = 0
        self._term = self._sum()
        if self._peek():
            raise self._error(f"{self._peek()!r} is out of place", self._at)

    @property
    def measure(self) -> Measure:
        """What kind of value comes out."""
        return self._term.measure

    def to(self, unit_text: str) -> Callable[[Values, float], float]:
        """A function of the inputs, in their own units, and the monotonic time: the value in a unit.

        Raises:
            ExpressionError: what comes out has another dimension.
        """
        unit = parse_unit(unit_text)
        measure, value = self._term
        if measure.dimension != unit.dimension:
            raise ExpressionError(
                f"{self.text!r} comes out in {describe(measure.dimension)}, not in {unit_text}"
            )
        if measure.points and (unit_text != _CELSIUS or not math.isclose(measure.points, 1.0)):
            raise ExpressionError(
                f"{self.text!r} adds up {measure.points:g} temperatures; a mean or a difference means more"
            )
        zero = _ICE_K * measure.points
        scales = [_scale(each.unit) for each in self.inputs]

        def evaluate(values: Values, at_s: float) -> float:
            si = [factor * v + offset for v, (factor, offset) in zip(values, scales, strict=True)]
            return (value(si, at_s) - zero) / unit.factor

        return evaluate

    # The grammar: sum = product (± product)*; product = power (×÷ power)*; power = atom (** integer).

    def _sum(self) -> Term:
        left = self._product()
        parts = [(left.value, 1)]
        while (token := self._peek()) in ("+", "-"):
            at = self._at
            self._next()
            right, sign = self._product(), 1 if token == "+" else -1
            parts.append((right.value, sign))
            left = Term(self._added(left.measure, right.measure, sign, at), Sum(parts))
        return left

    def _added(self, left: Measure, right: Measure, sign: int, at: int) -> Measure:
        if left.dimension != right.dimension:
            verb = "added to" if sign > 0 else "subtracted from"
            raise self._error(f"{right} cannot be {verb} {left}", at)
        return Measure(left.dimension, left.points + sign * right.points)

    def _product(self) -> Term:
        left = self._power()
        parts = [(left.value, 1)]
        while (token := self._peek()) in ("*", "/"):
            at = self._at
            self._next()
            right, power = self._power(), 1 if token == "*" else -1
            parts.append((right.value, power))
            left = Term(self._multiplied(left, right, power, at), Product(parts))
        return left

    def _multiplied(self, left: Term, right: Term, power: int, at: int) -> Measure:
        if power > 0 and right.measure.points:
            left, right = right, left
        pure = _pure(right)
        if right.measure.points or (left.measure.points and pure is None):
            raise self._error("a temperature is a point on a scale; multiply a difference of two instead", at)
        unit = Unit(1.0, left.measure.dimension).times(Unit(1.0, right.measure.dimension), power)
        points = left.measure.points * (pure or 0.0) ** power if left.measure.points else 0.0
        return Measure(unit.dimension, points)

    def _power(self) -> Term:
        base = self._atom()
        if self._peek() != "**":
            return base
        self._next()
        sign = -1 if self._peek() == "-" and self._next() else 1
        exponent = self._next()
        if not exponent.isdigit() or base.measure.points:
            raise self._error("** takes an integer, and no temperature")
        if len(exponent) > 2 or int(exponent) > _EXPONENT_MAX:
            raise self._error(f"an exponent is at most {_EXPONENT_MAX}")
        n = sign * int(exponent)
        value = base.value
        dimension = Unit(1.0, base.measure.dimension).to_the(n).dimension
        return Term(
            Measure(dimension), lambda v, t: divide(1.0, value(v, t) ** -n) if n < 0 else value(v, t) ** n
        )

    def _atom(self) -> Term:
        token = self._next()
        self._depth += 1
        if self._depth > _DEPTH_MAX:
            raise self._error(f"nested more than {_DEPTH_MAX} deep; make channels of its parts")
        term = self._begun_by(token)
        self._depth -= 1
        return term

    def _begun_by(self, token: str) -> Term:
        if token == "-":
            return self._negated(self._power())
        if token == "(":
            inner = self._sum()
            self._expect(")")
            return inner
        if token.startswith("{"):
            return self._single(token)
        if token[0].isdigit() or token[0] == ".":
            return self._literal(float(token))
        if token in FUNCTIONS or token in FOLDS or token == "integral":
            return self._call(token)
        known = [*FOLDS, *FUNCTIONS, "integral"]
        raise self._error(f"{token!r} is no function; {nearest(token, known)}")

    def _negated(self, term: Term) -> Term:
        value = term.value
        return Term(Measure(term.measure.dimension, -term.measure.points), lambda v, t: -value(v, t))

    def _literal(self, number: float) -> Term:
        unit = ONE
        if self._peek().startswith("["):
            unit = self._unit(self._next()[1:-1])
        value = number * unit.factor
        if not math.isfinite(value):
            raise self._error("a number is too large")
        return Term(Measure(unit.dimension), Constant(value))

    def _unit(self, text: str) -> Unit:
        if len(text) > _UNIT_MAX:
            raise self._error(f"a unit takes more than {_UNIT_MAX} characters")
        try:
            return parse_unit(text)
        except UnitError as error:
            raise self._error(str(error)) from None
        except ArithmeticError:
            raise self._error(f"unit {text!r} is out of range") from None

    def _single(self, token: str) -> Term:
        terms = self._channels(token)
        if len(terms) != 1:
            raise self._error(f"{token} stands for {len(terms)} channels; put them into sum(…) or mean(…)")
        return terms[0]

    def _channels(self, token: str) -> list[Term]:
        column = self._columns[self._at - 1]
        try:
            found = self.lookup(token[1:-1])
        except ExpressionError as error:
            error.column = column  # who looks it up does not know where it stands
            raise
        if not found:
            raise ChannelMissing(f"{self.text!r}: there is no channel {token}", column)
        return [self._input(each) for each in found]

    def _input(self, channel: Input) -> Term:
        if channel not in self.inputs:
            self.inputs.append(channel)
        place = self.inputs.index(channel)
        measure = Measure(parse_unit(channel.unit).dimension, float(channel.unit == _CELSIUS))
        return Term(measure, lambda v, t: v[place])

    def _call(self, name: str) -> Term:
        at = self._at - 1
        arguments = self._arguments()
        if name in FOLDS:
            return self._fold(name, arguments, at)
        if len(arguments) != 1:
            raise self._error(f"{name} takes one value, not {len(arguments)}", at)
        [argument] = arguments
        if argument.measure.points:
            raise self._error(f"{name} takes no temperature; take a difference", at)
        return self._integral(argument) if name == "integral" else self._applied(name, argument, at)

    def _arguments(self) -> list[Term]:
        self._expect("(")
        arguments: list[Term] = []
        while True:
            many = self._peek().startswith("{") and self._tokens[self._at + 1 : self._at + 2] in (
                [","],
                [")"],
            )
            arguments += self._channels(self._next()) if many else [self._sum()]
            if self._next_of(",", ")") == ")":
                return arguments

    def _fold(self, name: str, arguments: list[Term], at: int) -> Term:
        first = arguments[0].measure
        for each in arguments:
            if each.measure != first:
                raise self._error(f"{name}: {each.measure} beside {first}", at)
        values = [each.value for each in arguments]
        fold = FOLDS[name]
        points = first.points * (len(arguments) if name == "sum" else 1)
        return Term(Measure(first.dimension, points), lambda v, t: fold([value(v, t) for value in values]))

    def _applied(self, name: str, argument: Term, at: int) -> Term:
        function, halves = FUNCTIONS[name]
        dimension = argument.measure.dimension
        if halves:
            if any(n % 2 for n in dimension):
                raise self._error(f"{name} of {argument.measure} has no unit", at)
            dimension = tuple(n // 2 for n in dimension)
        value = argument.value
        return Term(Measure(dimension), lambda v, t: function(value(v, t)))

    def _integral(self, argument: Term) -> Term:
        integrator = Integrator(self.gap_s)
        self.integrators.append(integrator)
        value = argument.value
        dimension = Unit(1.0, argument.measure.dimension).times(parse_unit("s")).dimension
        return Term(Measure(dimension), lambda v, t: integrator.add(value(v, t), t))

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        if not token:
            raise self._error("it ends too early", self._at)
        self._at += 1
        return token

    def _expect(self, token: str) -> None:
        self._next_of(token)

    def _next_of(self, *wanted: str) -> str:
        token = self._peek()
        if token not in wanted:
            before = f" before {token!r}" if token else ""
            raise self._error(f"{' or '.join(wanted)} is missing{before}", self._at)
        return self._next()

    def _error(self, why: str, at: int | None = None) -> ExpressionError:
        """`at`: at which token; by default at the last one that was taken."""
        column = self._columns[self._at - 1 if at is None else at]
        return ExpressionError(f"{self.text!r}: {why}", column)


def _pure(term: Term) -> float | None:
    """The number that a term is, if it is one without a unit."""
    return term.value.number if isinstance(term.value, Constant) and term.measure == _NUMBER else None


def _scale(unit_text: str) -> tuple[float, float]:
    """Factor and offset of a channel's unit to SI."""
    return parse_unit(unit_text).factor, _ICE_K if unit_text == _CELSIUS else 0.0
