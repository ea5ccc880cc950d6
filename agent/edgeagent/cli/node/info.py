"""`edgeagent node info`: what a node is, how it fares, and what happened to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgeagent.cli.node import session
from edgeagent.cli.options import Json
from edgeagent_sdk.cli import show

if TYPE_CHECKING:
    from edgeagent.drivers.node.node import Node


def info(
    port: session.PortName = "",
    baud: session.Baud = 115_200,
    slave_id: session.SlaveId = 1,
    json: Json = False,
) -> None:
    """Show what the node is, how it fares, what is wrong with it, and its last events."""
    with session.connect(port, baud, slave_id) as node:
        facts, events = _facts(node), _events(node)
    if json:
        show([facts | {"events": events}], [], as_json=True)
        return
    show([{"what": _words(key), "value": value} for key, value in facts.items()], _FACT, as_json=False)
    show(events, _EVENT, as_json=False, empty="No event since the reset.")


_FACT = ("what", "value")
_EVENT = ("number", "ago_s", "kind", "severity", "message")

#: What every block begins with, and what is told in other words.
_LEFT_OUT = {"block", "sequence", "magic", "version_major", "version_minor", "version_patch", "build"}


def _facts(node: Node) -> dict[str, Any]:
    from edgeagent_sdk.nodemap import DIAGNOSTICS, IDENTITY, TELEMETRY, Alarm, Board, Capability, ResetCause

    identity, telemetry = node.read(IDENTITY), node.read(TELEMETRY)
    diagnostics = node.read(DIAGNOSTICS)
    by_number = {0: "vendor", 1: "product", 2: "revision"}
    device = {by_number.get(k, f"object_{k}"): v for k, v in node.master.device_id().items()}
    version = ".".join(str(identity[f"version_{part}"]) for part in ("major", "minor", "patch"))
    return {
        "port": node.master.bus.place.name,
        **device,
        "firmware": f"{version} ({identity['build']:08x})" if identity["build"] else version,
        **{key: value for key, value in identity.items() if key not in _LEFT_OUT},
        "board": _member(Board, identity["board"]),
        "capabilities": _set(Capability, identity["capabilities"]),
        "alarms": _set(Alarm, telemetry["alarms"]),
        "unlocked": ("locked", "setpoints", "settings")[min(telemetry["unlocked"], 2)],
        "boot_count": telemetry["boot_count"],
        **{key: value for key, value in diagnostics.items() if key not in _LEFT_OUT},
        "reset_cause": _member(ResetCause, diagnostics["reset_cause"]),
    }


def _events(node: Node) -> list[dict[str, Any]]:
    from edgeagent.drivers.node.occurrences import ring, tell
    from edgeagent_sdk.nodemap import EVENT_LOG

    values = node.read(EVENT_LOG)
    told = [(event.number, tell(event, values["uptime_ms"])) for event in ring(values)]
    return [
        {
            "number": number,
            "ago_s": round(occurrence.age_s, 1),
            "kind": occurrence.kind,
            "severity": str(occurrence.severity),
            "message": occurrence.message,
        }
        for number, occurrence in told
    ]


def _member(table: Any, value: int) -> str:
    names = {member.value: member.name for member in table}
    return _words(names.get(value, str(value)).lower())


def _set(table: Any, bits: int) -> str:
    return ", ".join(_words(flag.name.lower()) for flag in table if bits & flag) or "none"


def _words(name: str) -> str:
    return name.replace("_", " ")
