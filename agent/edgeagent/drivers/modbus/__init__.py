"""Modbus devices, described by register maps."""

from edgeagent.drivers.modbus.sensor import ModbusSensor

__all__ = ["ModbusSensor"]
