"""Which actuators of the field hold the leaves and the batteries of a topology."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from edgeagent_central.optimize.power.holdings import Slot
from edgeagent_central.optimize.power.topology.load import Topology
from edgeagent_central.optimize.power.tree import Array, Indices
from edgeagent_sdk.errors import EdgeError


class Wiring(NamedTuple):
    """Places in `slots`; -1 for what is not held.

    Attributes:
        cap, clock: shape (n,), of the leaves.
        clock_max_hz: shape (n,).
        charge: of the batteries' setpoints, by domain.
    """

    slots: tuple[Slot, ...]
    cap: Indices
    clock: Indices
    clock_max_hz: Array
    charge: dict[int, int]


def wired(topology: Topology) -> Wiring:
    """Raises EdgeError for an actuator that is not written as it should be."""
    slots: list[Slot] = []

    def place(where: str, path: str, *, node: str = "") -> int:
        parts = [*([node] if node else []), *path.split("/")]
        if len(parts) != 3 or not all(parts):
            form = "device/actuator" if node else "node/device/actuator"
            raise EdgeError(f"{where}: {path!r} is not {form}")
        slots.append(Slot(*parts))
        return len(slots) - 1

    caps, clocks, highest_hz = [], [], []
    for node, part in topology.targets:
        where = f"server {node}, component {part.name}" if part else node
        caps.append(place(f"{where}, cap", part.cap, node=node) if part else -1)
        clocks.append(place(f"{where}, clock", part.clock, node=node) if part and part.clock else -1)
        highest_hz.append(part.clock_max_hz if part else 0.0)
    charge = {
        domain: place(f"domain {keys.name}, battery.charge", keys.battery.charge)
        for domain, keys in enumerate(topology.domain_keys)
        if keys.battery and keys.battery.charge
    }
    return Wiring(
        tuple(slots), np.array(caps, np.intp), np.array(clocks, np.intp), np.array(highest_hz), charge
    )
