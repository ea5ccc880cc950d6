"""Control groups of the kernel: the share of the CPUs that a workload may use, and what it uses."""

from edgeagent.drivers.cgroup.sensor import CgroupSensor

__all__ = ["CgroupSensor"]
