"""edgeagent_sdk: the contract between agents, aggregators, drivers and any program that joins them.

The names below are stable; the heavier ones (`Publisher`, `Fleet`) are imported when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from edgeagent_sdk.channel import Channel, Fault, Reading, Value
from edgeagent_sdk.driver import (
    Actuator,
    ActuatorInfo,
    Found,
    Host,
    LeasedActuator,
    Occurrence,
    Options,
    Readings,
    Sensor,
    Source,
)
from edgeagent_sdk.errors import DriverError, EdgeError
from edgeagent_sdk.names import Identity
from edgeagent_sdk.quantities import QUANTITIES, Kind, Quantity

if TYPE_CHECKING:
    from edgeagent_sdk.fleet import Fleet
    from edgeagent_sdk.mqtt import Broker
    from edgeagent_sdk.publisher import Publisher

__all__ = [
    "QUANTITIES",
    "Actuator",
    "ActuatorInfo",
    "Broker",
    "Channel",
    "DriverError",
    "EdgeError",
    "Fault",
    "Fleet",
    "Found",
    "Host",
    "Identity",
    "Kind",
    "LeasedActuator",
    "Occurrence",
    "Options",
    "Publisher",
    "Quantity",
    "Reading",
    "Readings",
    "Sensor",
    "Source",
    "Value",
]

_LAZY = {"Broker": "mqtt", "Fleet": "fleet", "Publisher": "publisher"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f"edgeagent_sdk.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
