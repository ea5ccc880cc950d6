"""Channels computed from the node's other channels."""

from edgeagent.drivers.virtual.sensor import VirtualSensor

__all__ = ["VirtualSensor"]
