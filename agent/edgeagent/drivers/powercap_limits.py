"""Power limits of RAPL zones, the constraints of the powercap interface.

Source: Linux, Documentation/power/powercap/powercap.rst, and drivers/powercap/intel_rapl_common.c (a
zone that the firmware has locked refuses every write with EACCES, though its files may be written).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edgeagent.drivers.knob import Knob
from edgeagent.drivers.sysfs import listing, number, text
from edgeagent_sdk.driver import ActuatorInfo
from edgeagent_sdk.names import slug

_W_PER_COUNT = 1e-6

#: MSR_RAPL_POWER_UNIT at its usual 2^-3 W (Intel SDM vol. 3B, RAPL); the kernel rounds to it.
_STEP_W = 0.125

#: Where the kernel tells no minimum. 0 W is a limit that nobody can mean.
_LOWEST_W = 1.0

_LOCKED = (
    "the firmware (BIOS) has locked the zone's limits, which its setup may undo; "
    "or the kernel is locked down (/sys/kernel/security/lockdown)"
)


def limits(part: str, zone: Path) -> Iterator[Knob]:
    """One actuator for each constraint of a zone.

    Where the kernel tells no maximum, or one below the limit in force, that limit is the maximum: it can be
    lowered and taken back, never raised.
    """

    def obstacle() -> str:
        if text(zone / "enabled") != "0":
            return ""
        return f"{zone} is disabled: no limit has an effect there; enable it: echo 1 > {zone / 'enabled'}"

    for file in listing(zone, "constraint_*_power_limit_uw"):
        prefix = file.name.removesuffix("power_limit_uw")
        now = number(file)
        if not now or now < 0:
            continue
        name = text(zone / f"{prefix}name", prefix.strip("_"))
        highest = max(number(zone / f"{prefix}max_power_uw") or 0.0, now) * _W_PER_COUNT
        lowest = (number(zone / f"{prefix}min_power_uw") or 0.0) * _W_PER_COUNT or min(_LOWEST_W, highest)
        info = ActuatorInfo(
            slug(f"{part}-{name}"), "power", lowest, highest, f"power limit {name} of {part}", _STEP_W
        )
        yield Knob(info, file, _W_PER_COUNT, obstacle=obstacle, locked=_LOCKED)
