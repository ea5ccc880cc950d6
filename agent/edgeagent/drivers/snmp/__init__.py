"""Devices that speak SNMP: a blocking client of our own, and profiles of their MIBs as data."""

from edgeagent.drivers.snmp.sensor import SnmpSensor

__all__ = ["SnmpSensor"]
