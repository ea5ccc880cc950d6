"""The machine's power limit as an actuator, wherever its BMC keeps it.

Sources: DMTF DSP2046: EnvironmentMetrics (``PowerLimitWatts``), Control (``SetPoint``, ``ControlMode``,
``AllowableMin``, ``AllowableMax``), and the deprecated Power (``PowerControl[].PowerLimit``); DSP0266,
"PATCH" (an empty object leaves a member of an array as it is).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from edgeagent.drivers.redfish.session import Client
from edgeagent.drivers.redfish.tree import Chassis, Json, Walker
from edgeagent_sdk.driver import Actuator, ActuatorInfo
from edgeagent_sdk.errors import DriverError

#: What an actuator says and takes where there is no limit, whether for null or a disabled control.
NO_LIMIT_W: Final = 0.0

#: Limits are kept in whole watts: the deprecated schema has them as integers.
_STEP_W = 1.0

#: A BMC that has only accepted a change gets so long to carry it out.
_ACCEPTED_S, _LOOK_S = 1.5, 0.1


class Place(NamedTuple):
    """Where a limit stands: in which resource, in which object within, under which name."""

    uri: str
    path: tuple[str | int, ...]
    key: str

    def find(self, body: Json) -> Json:
        """The object with the limit. Raises DriverError if it is there no longer."""
        node: Any = body
        for step in self.path:
            try:
                node = node[step]
            except (KeyError, IndexError, TypeError):
                node = None
        if not isinstance(node, dict) or self.key not in node:
            raise DriverError(f"{self.uri}: has lost its power limit")
        return node

    def change(self, changes: Json) -> Json:
        """The body of a PATCH that changes this object and nothing else."""
        node: Any = changes
        for step in reversed(self.path):
            node = {step: node} if isinstance(step, str) else [{}] * step + [node]
        return dict(node)


class PowerLimit(Actuator):
    """One limit. 0 W stands for none."""

    survives_reboot = True

    def __init__(self, client: Client, place: Place, info: ActuatorInfo) -> None:
        self.info = info
        self._client, self._place = client, place

    def get(self) -> float:
        """The limit in W; `NO_LIMIT_W` where it is null or its control disabled."""
        return _limit_w(self._place, self._place.find(self._client.get(self._place.uri)))

    def set(self, value: float) -> None:
        """Write the limit; `NO_LIMIT_W` takes it away."""
        answer = self._client.change(self._place.uri, lambda body: self._change(body, value))
        if answer.status == 202:
            self._await(round(value))

    def _change(self, body: Json, value: float) -> Json:
        here = self._place.find(body)
        if here.get("LimitException") == "HardPowerOff" and value != NO_LIMIT_W:
            raise DriverError(
                f"{self._place.uri}: the BMC would turn the machine off when it exceeds the limit",
                'set its LimitException to "LogEventOnly" or "NoAction" first',
            )
        return self._place.change(_changes(self._place, here, value))

    def _await(self, value_w: float) -> None:
        until_s = time.monotonic() + _ACCEPTED_S
        while self.get() != value_w and time.monotonic() < until_s:
            time.sleep(_LOOK_S)


class Bounds(NamedTuple):
    """Between which limits the operator allows one; 0 to leave it to the BMC's word."""

    minimum_w: float
    maximum_w: float


class Seen(NamedTuple):
    """A limit that the BMC shows: the object with it, and the one around that, which may tell its bounds."""

    place: Place
    here: Json
    around: Json


def seen(walker: Walker, chassis: Chassis) -> Seen | None:
    """The power limit of a chassis, by the newest schema that has it; None if it has none."""
    return next(_all_seen(walker, chassis), None)


def info(seen: Seen, chassis: Chassis, prefix: str, bounds: Bounds) -> ActuatorInfo | None:
    """What the limit can be set to; None if its bounds are not known.

    They must be: a limit below what the machine needs may stop it.
    """
    minimum_w = (
        bounds.minimum_w or _number(seen.here, "AllowableMin") or _number(chassis.body, "MinPowerWatts")
    )
    maximum_w = (
        bounds.maximum_w
        or _number(seen.here, "AllowableMax")
        or _number(seen.around, "PowerCapacityWatts")
        or _number(chassis.body, "MaxPowerWatts")
    )
    if not 0 < minimum_w < maximum_w:
        return None
    why = seen.here.get("LimitException")
    text = "power limit; 0 W is none" + (f"; when exceeded: {why}" if isinstance(why, str) else "")
    return ActuatorInfo(f"{prefix}limit", "power", minimum_w, maximum_w, text, _STEP_W)


def _all_seen(walker: Walker, chassis: Chassis) -> Iterator[Seen]:
    for source in chassis.sources:
        if source.kind == "EnvironmentMetrics":
            body = walker.find(source.uri) or {}
            if "SetPoint" in (here := _object(body.get("PowerLimitWatts"))):
                yield Seen(Place(source.uri, ("PowerLimitWatts",), "SetPoint"), here, body)
    for uri, body in walker.members(chassis.body, "Controls"):
        if body.get("ControlType") == "Power" and "SetPoint" in body:
            yield Seen(Place(uri, (), "SetPoint"), body, body)
    for source in chassis.sources:
        controls = (walker.find(source.uri) or {}).get("PowerControl") if source.kind == "Power" else ()
        for i, around in enumerate(controls if isinstance(controls, list) else ()):
            if "LimitInWatts" in (here := _object(_object(around).get("PowerLimit"))):
                yield Seen(Place(source.uri, ("PowerControl", i, "PowerLimit"), "LimitInWatts"), here, around)


def _limit_w(place: Place, here: Json) -> float:
    value = here[place.key]
    if value is None or here.get("ControlMode") == "Disabled":
        return NO_LIMIT_W
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise DriverError(f"{place.uri}: says that the limit is {value!r}")
    return float(value)


def _changes(place: Place, here: Json, value: float) -> Json:
    """What is written: a control is turned off and on where it has a switch."""
    switched = "ControlMode" in here
    if value == NO_LIMIT_W:
        return {"ControlMode": "Disabled"} if switched else {place.key: None}
    on = {"ControlMode": "Automatic"} if switched and here["ControlMode"] == "Disabled" else {}
    return {place.key: round(value), **on}


def _number(body: Json, name: str) -> float:
    value = body.get(name)
    fine = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if fine and value is not None else 0.0


def _object(node: Any) -> Json:
    return node if isinstance(node, dict) else {}
