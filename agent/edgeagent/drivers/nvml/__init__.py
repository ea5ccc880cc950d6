"""NVIDIA GPUs, by the library of their driver (NVML)."""

from edgeagent.drivers.nvml.sensor import NvmlSensor

__all__ = ["NvmlSensor"]
