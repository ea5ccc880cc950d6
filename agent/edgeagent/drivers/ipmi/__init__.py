"""BMCs that speak IPMI, by Debian's `ipmitool`: power, sensors and the power limit of DCMI."""

from edgeagent.drivers.ipmi.sensor import IpmiSensor

__all__ = ["IpmiSensor"]
