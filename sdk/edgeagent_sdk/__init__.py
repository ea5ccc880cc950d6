"""edgeagent_sdk: the contract between agents, aggregators, drivers and any program that joins them.

The names below are stable. Each is imported when it is first used: who needs one does not wait for all.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
    from edgeagent_sdk.errors import DeviceChanged, DriverError, EdgeError
    from edgeagent_sdk.fleet import Fleet
    from edgeagent_sdk.mqtt import Broker
    from edgeagent_sdk.names import Identity
    from edgeagent_sdk.publisher import Publisher
    from edgeagent_sdk.quantities import QUANTITIES, Kind, Quantity

__all__ = [
    "QUANTITIES",
    "Actuator",
    "ActuatorInfo",
    "Broker",
    "Channel",
    "DeviceChanged",
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

#: Module, and the names that are found in it.
_MODULES = {
    "channel": ("Channel", "Fault", "Reading", "Value"),
    "driver": (
        "Actuator",
        "ActuatorInfo",
        "Found",
        "Host",
        "LeasedActuator",
        "Occurrence",
        "Options",
        "Readings",
        "Sensor",
        "Source",
    ),
    "errors": ("DeviceChanged", "DriverError", "EdgeError"),
    "fleet": ("Fleet",),
    "mqtt": ("Broker",),
    "names": ("Identity",),
    "publisher": ("Publisher",),
    "quantities": ("QUANTITIES", "Kind", "Quantity"),
}

_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return found


def __dir__() -> list[str]:
    return [*globals(), *__all__]
