"""What a device is: its profile, its serial number, and since when it runs."""

from __future__ import annotations

from typing import NamedTuple

from edgeagent.drivers.snmp import ber
from edgeagent.drivers.snmp.ber import Oid
from edgeagent.drivers.snmp.profile import AUTO, Profile, load, profiles
from edgeagent.drivers.snmp.session import Session
from edgeagent.drivers.snmp.walk import text, walk
from edgeagent_sdk.errors import DriverError

#: RFC 3418.
_DESCRIPTION, _OBJECT_ID = ber.oid("1.3.6.1.2.1.1.1.0"), ber.oid("1.3.6.1.2.1.1.2.0")
UPTIME = ber.oid("1.3.6.1.2.1.1.3.0")

#: RFC 3411: unique to the agent, and kept by it for good.
_ENGINE_ID = ber.oid("1.3.6.1.6.3.10.2.1.1")

#: sysUpTime counts hundredths of a second in 32 bits.
_UPTIME_RANGE = 1 << 32
_UPTIME_NEAR = 60 * 60 * 100


class Identity(NamedTuple):
    """One device.

    Args:
        serial: the instance with the serial number.
        watched: instances that change when its rows do, and what they held.
        engine_id: snmpEngineID, in hexadecimal digits; empty if it does not show it.
    """

    serial: Oid | None
    serial_number: str
    watched: dict[Oid, ber.VarValue]
    engine_id: str = ""


def find_profile(session: Session, name: str) -> Profile:
    """The profile called `name`; with `AUTO`, the one that fits to the device. Raises DriverError."""
    if name != AUTO:
        return load(name)
    shipped = profiles()
    description, object_id = session.get([_DESCRIPTION, _OBJECT_ID])
    probes = [(profile, ber.oid(probe)) for profile in shipped.values() for probe in profile.probe]
    answers = session.get_next([probe for _, probe in probes])
    fitting = [
        profile
        for (profile, probe), (found, value) in zip(probes, answers, strict=False)
        if value is not None and found.startswith(probe)
    ]
    if not fitting:
        what = text(description).split("\n")[0][:80] or "an SNMP agent"
        raise DriverError(
            f"{session.where}: {what} has the tables of no shipped profile ({', '.join(shipped)})",
            "see that this community or user may see them, or set profile to a file of your own",
        )
    named = [p for p in fitting if _begins(object_id, p)]
    return (named or fitting)[0]


def identify(session: Session, profile: Profile) -> Identity:
    """Who a device of this profile is. Raises DriverError."""
    oids = [ber.oid(oid) for oid in (*profile.watch, *([profile.serial] if profile.serial else []))]
    cells = walk(session, [*dict.fromkeys(oids), _ENGINE_ID])
    instances = {
        column + ber.index(index): value for column in oids for index, value in cells[column].items()
    }
    numbers = {}
    if profile.serial:
        column = ber.oid(profile.serial)
        numbers = {name: text(value) for name, value in instances.items() if name.startswith(column)}
    serial = next((name for name, number in numbers.items() if number), None)
    watched = {name: value for name, value in instances.items() if name not in numbers}
    [engine_id] = cells[_ENGINE_ID].values() or [None]
    engine = engine_id.hex() if isinstance(engine_id, bytes) else ""
    return Identity(serial, numbers[serial] if serial else "", watched, engine)


def has_restarted(before: int, now: int) -> bool:
    """Whether sysUpTime fell, other than by beginning again after 497 days."""
    return now < before and not (before > _UPTIME_RANGE - _UPTIME_NEAR and now < _UPTIME_NEAR)


def _begins(object_id: ber.VarValue, profile: Profile) -> bool:
    return isinstance(object_id, bytes) and any(
        object_id.startswith(ber.oid(system)) for system in profile.system
    )
