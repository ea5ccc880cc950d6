"""Whether the kernel itself slows clocks down.

Source: Linux, Documentation/driver-api/thermal/sysfs-api.rst.
"""

from __future__ import annotations

from edgeagent.drivers.sysfs import listing, number, text
from edgeagent_sdk.driver import Host

#: Of the types of cooling devices, those that slow a clock down.
_CLOCKS = ("cpufreq", "processor", "devfreq")


def throttling(host: Host) -> str:
    """The cooling device by which the kernel slows a clock down now; empty if none is at work."""
    for device in listing(host.path("/sys/class/thermal"), "cooling_device*"):
        kind = text(device / "type")
        if any(word in kind.lower() for word in _CLOCKS) and (number(device / "cur_state") or 0) > 0:
            return kind
    return ""
