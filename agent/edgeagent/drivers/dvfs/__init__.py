"""The governor's life on a real machine: what others read becomes what it sees, what it decides is driven."""

from edgeagent.drivers.dvfs.sensor import DvfsSensor

__all__ = ["DvfsSensor"]
