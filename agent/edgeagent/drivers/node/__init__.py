"""The sensor node on a serial port: a Modbus RTU master of our own, and the driver on top of it."""

from edgeagent.drivers.node.sensor import NodeSensor

__all__ = ["NodeSensor"]
