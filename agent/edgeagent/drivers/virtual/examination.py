"""What is wrong with expressions before any device is open, as far as the configuration alone tells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from edgeagent.drivers.virtual.channels import channel_of, check_counters
from edgeagent.drivers.virtual.expression import Expression, Input
from edgeagent.drivers.virtual.lexer import ExpressionError
from edgeagent.drivers.virtual.units import parse_unit
from edgeagent_sdk.driver import Readings
from edgeagent_sdk.errors import DriverError, EdgeError
from edgeagent_sdk.plugins import nearest
from edgeagent_sdk.quantities import QUANTITIES

_WILD: Final = frozenset("*?[")


class _QuantityUnknown(Exception):
    """A pattern that may stand for several quantities: what comes of it shows only when devices are open."""


def mistakes(channels: Mapping[str, str], readings: Readings) -> Iterator[tuple[str, int, str]]:
    """Channel, column from 1, and reason of each expression that can never have a value.

    Args:
        channels: expressions by ``quantity/name``.
        readings: of the devices that are configured; none of them need be open.
    """
    for key, formula in channels.items():
        try:
            _examine(key, formula, readings)
        except _QuantityUnknown:
            continue
        except (EdgeError, ArithmeticError, ValueError) as error:
            yield key, error.column if isinstance(error, ExpressionError) else 1, str(error)


def _examine(key: str, formula: str, readings: Readings) -> None:
    channel = channel_of(key, formula)
    expression = Expression(formula, lambda pattern: [_input(pattern, readings)])
    check_counters(channel, expression)
    unit = channel.quantity.unit
    several = any(_WILD & set(each.device + each.channel) for each in expression.inputs)
    if not several or expression.measure.dimension != parse_unit(unit).dimension:
        expression.to(unit)
    # Else how many there are, and so how many temperatures are added up, shows only later.


def _input(pattern: str, readings: Readings) -> Input:
    """One channel, in the place of all that match. Raises ExpressionError if none ever can."""
    parts = pattern.split("/")
    if len(parts) != 3 and not _WILD & set(pattern):
        raise ExpressionError(f"{{{pattern}}} is not {{device/quantity/name}}")
    try:
        readings.find(pattern)
    except DriverError as error:
        raise ExpressionError(str(error)) from None
    if not readings.waiting(pattern):
        hint = nearest(parts[0], list(readings.waiting("*")))
        raise ExpressionError(f"{{{pattern}}}: no device {parts[0]!r} is configured; {hint}")
    if len(parts) != 3 or _WILD & set(parts[1]):
        raise _QuantityUnknown
    device, quantity, name = parts
    if quantity not in QUANTITIES:
        hint = nearest(quantity, list(QUANTITIES))
        raise ExpressionError(f"{{{pattern}}}: unknown quantity {quantity!r}; {hint}")
    return Input(device, quantity, name, QUANTITIES[quantity].unit)
