"""Channels and the values they carry."""

from __future__ import annotations

from typing import NamedTuple

from edgeagent_sdk.names import check_name
from edgeagent_sdk.quantities import Quantity, quantity


class Fault(NamedTuple):
    """What stands in the place of a number when a sensor could not give one.

    A stale or failed sensor is a fault, never a number: a driver returns `Fault("EIO")` where the
    value would be, and the channel's neighbours are read on.
    """

    reason: str


Value = float | Fault
"""What a channel gives: a number in its quantity's unit, or why there is none."""


class Channel:
    """One quantity of one device.

    Args:
        name: unique within the device.
        quantity: a name out of `QUANTITIES`.
        minimum, maximum: values outside are faults. They default to what is physically plausible.
        description: for people, e.g. the label that the kernel gives.

    Raises:
        NameInvalid: the wire cannot carry `name`.
        WireError: unknown quantity.
    """

    __slots__ = ("description", "maximum", "minimum", "name", "quantity")

    def __init__(
        self,
        name: str,
        quantity_name: str,
        *,
        minimum: float | None = None,
        maximum: float | None = None,
        description: str = "",
    ) -> None:
        self.name = check_name(name, "channel")
        self.quantity: Quantity = quantity(quantity_name)
        self.minimum = self.quantity.minimum if minimum is None else minimum
        self.maximum = self.quantity.maximum if maximum is None else maximum
        self.description = description

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from the device's other channels: several quantities may share one name."""
        return self.quantity.name, self.name

    def __repr__(self) -> str:
        return f"Channel({self.name!r}, {self.quantity.name!r})"


class Reading(NamedTuple):
    """One measured value, with all that names it. `time_ns` is UTC, ns since 1970."""

    quantity: str
    channel: str
    device: str
    node: str
    site: str
    value: float
    time_ns: int
