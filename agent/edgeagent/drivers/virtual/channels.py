"""A virtual channel, and what it may be computed from."""

from __future__ import annotations

from edgeagent.drivers.virtual.expression import Expression
from edgeagent.drivers.virtual.lexer import ExpressionError
from edgeagent_sdk.channel import Channel
from edgeagent_sdk.errors import DriverError
from edgeagent_sdk.plugins import nearest
from edgeagent_sdk.quantities import QUANTITIES, Kind


def channel_of(key: str, formula: str) -> Channel:
    """The channel of a key ``quantity/name``. Raises EdgeError."""
    quantity, _, name = key.partition("/")
    if quantity not in QUANTITIES or not name:
        hint = nearest(quantity, list(QUANTITIES))
        raise DriverError(f"channels: {key!r} is not quantity/name; {hint}")
    return Channel(name, quantity, description=formula)


def check_counters(channel: Channel, expression: Expression) -> None:
    """Only counters make a counter, unless something is integrated. Raises ExpressionError."""
    if channel.quantity.kind is not Kind.COUNTER or expression.integrators:
        return
    for each in expression.inputs:
        if QUANTITIES[each.quantity].kind is not Kind.COUNTER:
            raise ExpressionError(f"{expression.text!r}: {each.quantity} is no counter; use integral(…)")
