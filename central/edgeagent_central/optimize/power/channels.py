"""Which channels tell about a topology, and within which bounds they can be believed."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from edgeagent_central.optimize.power.readings import Wanted
from edgeagent_central.optimize.power.topology.load import Topology
from edgeagent_central.optimize.power.tree import Array, Flags, Indices
from edgeagent_sdk.errors import EdgeError

#: Nothing draws more than this times the most that its limits allow.
_ABSURD: Final = 1.2

#: So much below 0, as a share of the most, is a meter's noise.
_NOISE: Final = 0.02

#: Whatever else hangs on a metered domain draws no more than this times what the leaves below can.
_OTHERS: Final = 2.0


class Rows(NamedTuple):
    """The channels, and where in them each thing stands.

    Attributes:
        known, clocked: shape (n,), which leaves have a channel for power, for the clock.
        power, clock: shape (n,), which; 0 where there is none.
        clock_max_hz: shape (n,); 1 where there is none.
        meter: by domain.
        stored: domain, channel, and what to multiply it by for J.
    """

    wanted: tuple[Wanted, ...]
    known: Flags
    power: Indices
    clocked: Flags
    clock: Indices
    clock_max_hz: Array
    meter: dict[int, int]
    stored: list[tuple[int, int, float]]


def rows_of(topology: Topology) -> Rows:
    """Raises EdgeError for a channel that is not written as it should be."""
    wanted: list[Wanted] = []

    def place(where: str, path: str, quantity: str, most: float, *, node: str = "") -> int:
        parts = [*([node] if node else []), *path.split("/")]
        if len(parts) != 3 or not all(parts):
            form = "device/channel" if node else "node/device/channel"
            raise EdgeError(f"{where}: {path!r} is not {form}")
        bounds = -_NOISE * most, _ABSURD * most
        wanted.append(Wanted(parts[0], quantity, parts[1], parts[2], *bounds))
        return len(wanted) - 1

    power, clock, highest_hz = [], [], []
    for node, part in topology.targets:
        where = f"server {node}, component {part.name}" if part else node
        power.append(place(f"{where}, power", part.power, "power", part.max_w, node=node) if part else -1)
        told = bool(part and part.clock_now and part.clock_max_hz)
        highest_hz.append(part.clock_max_hz if part and told else 1.0)
        clock.append(
            place(f"{where}, clock_now", part.clock_now, "frequency", part.clock_max_hz, node=node)
            if part and told
            else -1
        )
    site, meter, stored = topology.site, {}, []
    most_w = site.tree.load_w(site.max_w)
    for domain, keys in enumerate(topology.domain_keys):
        if keys.meter:
            meter[domain] = place(f"domain {keys.name}, meter", keys.meter, "power", _OTHERS * most_w[domain])
        if keys.battery and keys.battery.stored:
            where, capacity_j = f"domain {keys.name}, battery.stored", site.storage[domain].capacity_j
            # It tells one of the two; the other is never heard of.
            stored += [
                (domain, place(where, keys.battery.stored, "energy", capacity_j), 1.0),
                (domain, place(where, keys.battery.stored, "soc", 1.0), capacity_j),
            ]
    powers, clocks = np.array(power, np.intp), np.array(clock, np.intp)
    return Rows(
        tuple(wanted),
        powers >= 0,
        np.maximum(powers, 0),
        clocks >= 0,
        np.maximum(clocks, 0),
        np.array(highest_hz),
        meter,
        stored,
    )
