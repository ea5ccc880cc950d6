"""fanbox: a thermometer and a fan behind a serial line, as a driver of edgeagent."""

from edgeagent_fanbox.sensor import FanboxOptions, FanboxSensor

__all__ = ["FanboxOptions", "FanboxSensor"]
