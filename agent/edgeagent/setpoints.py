"""What commands ask of actuators, made sure of: known names, finite numbers, within the limits."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Annotated, Any, NamedTuple, TypeVar

import msgspec

from edgeagent.leases import Key
from edgeagent_sdk.driver import Actuator, ActuatorInfo, LeasedActuator
from edgeagent_sdk.errors import EdgeError
from edgeagent_sdk.plugins import nearest

#: No lease is longer: what is to hold longer is renewed by whoever wants it.
LEASE_MAX_S = 3600.0

#: None is shorter: it would be over before its device has been told.
LEASE_MIN_S = 0.1


class Release(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a `release` command."""

    device: str
    actuator: str


class Cap(Release, forbid_unknown_fields=True):
    """The body of a `cap` command: `value` in the actuator's unit, for `lease_s` seconds.

    Args:
        by: who asks, for people.
    """

    value: float
    lease_s: float
    by: Annotated[str, msgspec.Meta(max_length=80)] = ""


class Setpoint(NamedTuple):
    """A value that an actuator can take, for how long and by whom; `remarks` tell what was clamped."""

    key: Key
    info: ActuatorInfo
    value: float
    lease_s: float
    by: str
    remarks: list[str]


Known = Callable[[str], Sequence[ActuatorInfo]]
"""The actuators of a device. Raises EdgeError for one that is not there."""


def setpoint(body: dict[str, Any], known: Known) -> Setpoint:
    """What a `cap` asks for, as far as it can be had. Raises EdgeError for what can never be."""
    cap = _convert(body, Cap)
    key, info = _find(cap, known)
    if not (math.isfinite(cap.value) and math.isfinite(cap.lease_s) and cap.lease_s > 0):
        raise EdgeError(f"{cap.value:g} for {cap.lease_s:g} s: give a finite value, and a time above 0")
    if cap.lease_s < LEASE_MIN_S:
        raise EdgeError(f"{cap.lease_s:g} s are too short for a lease: it lasts {LEASE_MIN_S:g} s at least")
    value = min(max(cap.value, info.minimum), info.maximum)
    lease_s = min(cap.lease_s, LEASE_MAX_S)
    remarks = []
    if value != cap.value:
        remarks.append(f"{cap.value:g} is outside {info.minimum:g} to {info.maximum:g}")
    if lease_s != cap.lease_s:
        remarks.append(f"a lease lasts {LEASE_MAX_S:g} s at most")
    return Setpoint(key, info, value, lease_s, " ".join(cap.by.split()), remarks)


def released(body: dict[str, Any], known: Known) -> Key:
    """What a `release` names. Raises EdgeError for what is not there."""
    return _find(_convert(body, Release), known)[0]


def unusable(name: str, value: float, actuators: Sequence[Actuator]) -> str:
    """Why a configured fallback cannot be used; empty if it can."""
    known = {actuator.info.name: actuator for actuator in actuators}
    if name not in known:
        return f"there is no actuator {name!r}; {nearest(name, list(known))}"
    info = known[name].info
    if isinstance(known[name], LeasedActuator):
        return f"{name} falls back by itself, without us; set its safe state in the device"
    if not info.minimum <= value <= info.maximum:
        return f"{name}: {value:g} is outside {info.minimum:g} to {info.maximum:g}"
    return ""


def _find(order: Release, known: Known) -> tuple[Key, ActuatorInfo]:
    infos = {info.name: info for info in known(order.device)}
    if order.actuator not in infos:
        hint = nearest(order.actuator, list(infos))
        raise EdgeError(f"{order.device} has no actuator {order.actuator!r}; {hint}")
    return Key(order.device, order.actuator), infos[order.actuator]


B = TypeVar("B", bound=Release)


def _convert(body: dict[str, Any], kind: type[B]) -> B:
    try:
        return msgspec.convert(body, kind)
    except msgspec.ValidationError as error:
        raise EdgeError(f"body: {error}") from None
