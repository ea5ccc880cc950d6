"""Racks: servers shared out over the three phases of a PDU behind a breaker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from edgeagent_hil.twin.breakers import Breakers, BreakerState, carry
from edgeagent_hil.twin.units import Array, Flags, Indices

#: Below this voltage nothing draws power, so no current flows either.
ALIVE_V: Final = 1.0


@dataclass(frozen=True)
class Racks:
    """The constants of r racks.

    Attributes:
        of_server, phase_of_server: shape (n,), where each server stands and which phase feeds it.
        outlet_of_server: shape (n,), flat index of both into (3, r).
        var_per_w: shape (n,), reactive power of each server per active power.
        feed_ohm: shape (r,), of each phase from the site's busbar to the outlets.
        breakers: one for each rack.
    """

    of_server: Indices
    phase_of_server: Indices
    outlet_of_server: Indices
    var_per_w: Array
    feed_ohm: Array
    breakers: Breakers

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.feed_ohm)


class RackOutputs(NamedTuple):
    """What racks took in a step; means over it.

    Attributes:
        phase_w, phase_var: shape (3, r), active and reactive power at the input, losses of the feed included.
        current_a, outlet_v: shape (3, r).
        power_w, loss_w: shape (r,), at the input, and what the feed lost of it.
    """

    phase_w: Array
    phase_var: Array
    current_a: Array
    outlet_v: Array
    power_w: Array
    loss_w: Array


def phases_in_turn(of_server: Indices) -> Indices:
    """Phase of each server where those of a rack take the phases in turn; shape (n,)."""
    order = np.argsort(of_server, kind="stable")
    first = np.searchsorted(of_server[order], of_server[order])
    place = np.empty_like(of_server)
    place[order] = np.arange(len(of_server)) - first
    return place % 3


def racks(
    of_server: Indices, phase_of_server: Indices, power_factor: Array, feed_ohm: Array, breakers: Breakers
) -> Racks:
    """Racks behind their breakers.

    Args:
        of_server, phase_of_server, power_factor: shape (n,).
    """
    return Racks(
        of_server=of_server,
        phase_of_server=phase_of_server,
        outlet_of_server=phase_of_server * len(feed_ohm) + of_server,
        var_per_w=np.sqrt(1 / power_factor**2 - 1),
        feed_ohm=feed_ohm,
        breakers=breakers,
    )


def step_racks(
    racks: Racks, state: BreakerState, server_w: Array, supply_v: Array, close: Flags, dt_s: float
) -> tuple[BreakerState, RackOutputs]:
    """One step.

    A server draws constant power, so less voltage means more current: with the apparent power S behind a
    feed of resistance R, ``V·I = S + R·I²`` gives the voltage at the outlet.

    Args:
        server_w: shape (n,).
        supply_v: shape (3,), line to neutral at the busbar.
        close: shape (r,), breakers that are told to close.
    """
    active_w = _per_outlet(racks, server_w)
    reactive_var = _per_outlet(racks, server_w * racks.var_per_w)
    apparent_va = np.hypot(active_w, reactive_var)
    half_v = supply_v.reshape(3, 1) / 2
    outlet_v = half_v + np.sqrt(np.maximum(half_v * half_v - racks.feed_ohm * apparent_va, 0.0))
    current_a = apparent_va / np.maximum(outlet_v, ALIVE_V)
    lost_w = racks.feed_ohm * current_a * current_a
    input_w = active_w + lost_w
    outputs = RackOutputs(
        phase_w=input_w,
        phase_var=reactive_var,
        current_a=current_a,
        outlet_v=outlet_v,
        power_w=input_w.sum(axis=0),
        loss_w=lost_w.sum(axis=0),
    )
    return carry(racks.breakers, state, current_a, close, dt_s), outputs


def _per_outlet(racks: Racks, server_value: Array) -> Array:
    """Sums over the servers of each phase of each rack; shape (3, r)."""
    sums = np.bincount(racks.outlet_of_server, weights=server_value, minlength=3 * racks.count)
    return np.asarray(sums, float).reshape(3, racks.count)
