"""BMCs that speak Redfish: what they measure, and their power limit."""

from edgeagent.drivers.redfish.sensor import RedfishSensor

__all__ = ["RedfishSensor"]
