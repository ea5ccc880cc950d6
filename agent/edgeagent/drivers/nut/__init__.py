"""UPSes behind Network UPS Tools: an `upsd`, on this machine or another."""

from edgeagent.drivers.nut.sensor import NutSensor

__all__ = ["NutSensor"]
