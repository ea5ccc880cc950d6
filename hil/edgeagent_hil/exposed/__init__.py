"""The twin as real devices: files that drivers read, a meter that masters poll, values for a node's sensors.

A device steers the twin before each step and shows it afterwards; a `Runner` keeps step with the clock.
"""

from edgeagent_hil.exposed.runner import Device, Runner

__all__ = ["Device", "Runner"]
