"""The node's events, followed without a gap and told in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from edgeagent_sdk.driver import Occurrence
from edgeagent_sdk.messages import Severity
from edgeagent_sdk.nodemap import CALIBRATION, CONFIG, EVENTS, OUTPUTS, Alarm, Chip, EventCode, ResetCause


class NodeEvent(NamedTuple):
    """One place of the event ring; `uptime_ms` in the low 32 bits of the node's."""

    number: int
    uptime_ms: int
    code: int
    detail: int

    def age_ms(self, now_ms: int) -> int:
        """How long ago, at an uptime of `now_ms`."""
        return (now_ms - self.uptime_ms) & 0xFFFFFFFF


def ring(values: dict[str, int]) -> list[NodeEvent]:
    """The events of the block, oldest first."""
    keys = ("number", "uptime_ms", "code", "detail")
    places = [NodeEvent(*(values[f"event{n}_{key}"] for key in keys)) for n in range(EVENTS)]
    return sorted(event for event in places if event.number)


class _Words(NamedTuple):
    kind: str
    severity: Severity
    say: Callable[[int], str]


_INFO, _WARNING, _ERROR = Severity.INFO, Severity.WARNING, Severity.ERROR


def _bits(detail: int) -> str:
    return ", ".join(a.name.lower().replace("_", " ") for a in Alarm if detail & a and a.name) or "no alarm"


def _name(table: type[ResetCause | Chip], detail: int) -> str:
    known = {member.value: member.name for member in table}
    return known.get(detail, str(detail)).lower().replace("_", " ")


def _chip(detail: int) -> str:
    return _name(Chip, detail).upper()


def _output(detail: int) -> str:
    return OUTPUTS[detail].name if 0 <= detail < len(OUTPUTS) else f"output {detail}"


def _setting(detail: int) -> str:
    for block in (CONFIG, CALIBRATION):
        if block.address <= detail < block.address + block.words:
            inside = [f for f, at in block.offsets.items() if at <= detail - block.address]
            return f"{block.name}.{inside[-1]}"
    return f"register {detail}"


_TABLE: dict[EventCode, _Words] = {
    EventCode.STARTED: _Words("node-started", _INFO, lambda d: f"the node began: {_name(ResetCause, d)}"),
    EventCode.LEASE_EXPIRED: _Words(
        "node-lease-expired", _INFO, lambda d: f"{_output(d)} fell to its safe state: its lease ran out"
    ),
    EventCode.GUARD_BEGAN: _Words("guard-began", _ERROR, lambda d: f"the node's guard acts: {_bits(d)}"),
    EventCode.GUARD_ENDED: _Words("guard-ended", _INFO, lambda d: "the node's guard lets go"),
    EventCode.SHED_BEGAN: _Words(
        "shed-began", _WARNING, lambda d: f"relays open: the input power of {d} W is over its limit"
    ),
    EventCode.SHED_ENDED: _Words(
        "shed-ended", _INFO, lambda d: f"the input power is within its limit of {d} W again"
    ),
    EventCode.SENSOR_LOST: _Words(
        "sensor-lost", _WARNING, lambda d: f"the {_chip(d)} does not answer; check its supply and wiring"
    ),
    EventCode.SENSOR_BACK: _Words("sensor-back", _INFO, lambda d: f"the {_chip(d)} answers again"),
    EventCode.FAN_STALLED: _Words(
        "fan-stalled", _ERROR, lambda d: f"fan {d} is driven and does not turn; check it for dust and wear"
    ),
    EventCode.FAN_TURNS: _Words("fan-turns", _INFO, lambda d: f"fan {d} turns again"),
    EventCode.STORAGE_FAILED: _Words(
        "node-storage-failed", _ERROR, lambda d: "the node could not write its settings or energy"
    ),
    EventCode.SETTINGS_CHANGED: _Words(
        "node-settings-changed", _INFO, lambda d: f"settings were changed from {_setting(d)} on"
    ),
    EventCode.IMAGE_CONFIRMED: _Words(
        "node-image-confirmed",
        _INFO,
        lambda d: "the node's new firmware has shown that it is well, and stays",
    ),
}


def tell(event: NodeEvent, now_ms: int) -> Occurrence:
    """An event in words; `now_ms` is the uptime of the block that it was read in."""
    try:
        kind, severity, say = _TABLE[EventCode(event.code)]
    except ValueError:  # of a later firmware
        kind, severity = "node-event", _INFO
        message = f"event {event.code}, detail {event.detail}"
    else:
        message = say(event.detail)
    if event.code == EventCode.STARTED and event.detail in (ResetCause.WATCHDOG, ResetCause.FAULT):
        severity = _ERROR
    return Occurrence(kind, message, severity, age_s=event.age_ms(now_ms) / 1e3)


class Follower:
    """Which events have been told already. What happened before the first look is not told."""

    def __init__(self) -> None:
        self._seen: int | None = None

    def behind(self, last: int) -> bool:
        """Whether there are events to be read, `last` being the newest."""
        if self._seen is None:
            self._seen = last
        return last != self._seen

    def began_again(self) -> None:
        """The node was reset: it counts from 1 anew."""
        if self._seen is not None:
            self._seen = 0

    def news(self, values: dict[str, int]) -> Iterator[Occurrence]:
        """The events of the block that have not been told."""
        seen = self._seen or 0
        events = ring(values)
        if events and events[-1].number < seen:
            seen = 0
        fresh = [event for event in events if event.number > seen]
        if fresh:
            if missed := fresh[0].number - seen - 1:
                yield Occurrence("node-events-lost", f"{missed} events came too fast to be read", _WARNING)
            self._seen = fresh[-1].number
        yield from (tell(event, values["uptime_ms"]) for event in fresh)
