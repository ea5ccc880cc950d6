"""Circuit breakers: a bimetal that integrates the heat of the current, and a coil that trips at once.

The bimetal's excess temperature θ follows ``τ·dθ/dt = (I/In)² − θ``; it trips where θ reaches k². From
cold this gives the inverse-time curve ``t = τ·ln(i²/(i² − k²))`` with i = I/In (the thermal replica of
IEC 60255-149). k lies between the conventional non-tripping and tripping currents of the standard, and τ
so that the curve passes through its band at the standard's third point; ``data/breakers.toml`` says which.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

import msgspec
import numpy as np

from edgeagent_hil.twin.units import Array, Flags
from edgeagent_sdk.errors import EdgeError
from edgeagent_sdk.plugins import nearest


class Curve(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tripping characteristic.

    Args:
        hold: k, the current as a multiple of the rated one that it just carries for ever.
        tau_s: time constant of the bimetal.
        instant: multiple of the rated current at which the coil trips.
        reset: θ to which the bimetal must have cooled before it can be closed.
    """

    source: str
    hold: float
    tau_s: float
    instant: float
    reset: float


@dataclass(frozen=True)
class Breakers:
    """The constants of r three-pole breakers; shape (r,).

    Attributes:
        trip_heat: θ at which the bimetal trips, k².
        instant: (I/In)² at which the coil does.
        reset_heat: θ below which it can be closed.
    """

    rated_a: Array
    tau_s: Array
    trip_heat: Array
    instant: Array
    reset_heat: Array


@dataclass(frozen=True)
class BreakerState:
    """What breakers carry from step to step.

    Attributes:
        heat: θ of each pole, shape (3, r).
        closed: shape (r,).
    """

    heat: Array
    closed: Flags


def curves() -> dict[str, Curve]:
    """The characteristics that come with the twin."""
    file = resources.files(__package__) / "data" / "breakers.toml"
    return msgspec.toml.decode(file.read_bytes(), type=dict[str, Curve])


def breakers(name: str, rated_a: Array) -> Breakers:
    """Breakers of one characteristic. Raises EdgeError if there is none called `name`."""
    known = curves()
    if name not in known:
        raise EdgeError(f"unknown breaker curve {name!r}; {nearest(name, list(known))}")
    curve = known[name]
    rated_a = np.asarray(rated_a, float)
    return Breakers(
        rated_a=rated_a,
        tau_s=np.full_like(rated_a, curve.tau_s),
        trip_heat=np.full_like(rated_a, curve.hold**2),
        instant=np.full_like(rated_a, curve.instant**2),
        reset_heat=np.full_like(rated_a, curve.reset),
    )


def closed(breakers: Breakers) -> BreakerState:
    """Cold and closed."""
    count = len(breakers.rated_a)
    return BreakerState(np.zeros((3, count)), np.ones(count, bool))


def carry(
    breakers: Breakers, state: BreakerState, current_a: Array, close: Flags, dt_s: float
) -> BreakerState:
    """One step.

    Args:
        current_a: shape (3, r), of each pole.
        close: shape (r,), which are told to close; those whose bimetal is still warm do not latch.
    """
    load = np.square(current_a / breakers.rated_a)
    heat = load + (state.heat - load) * np.exp(-dt_s / breakers.tau_s)
    trips = ((heat >= breakers.trip_heat) | (load >= breakers.instant)).any(axis=0)
    latches = close & (heat < breakers.reset_heat).all(axis=0)
    return BreakerState(heat, (state.closed | latches) & ~trips)


def trip_time_s(breakers: Breakers, current_a: Array) -> Array:
    """How long a cold breaker carries a constant current; infinite if for ever. Shape (r,)."""
    load = (current_a / breakers.rated_a) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        by_heat = breakers.tau_s * np.log(load / (load - breakers.trip_heat))
    thermal = np.where(load > breakers.trip_heat, by_heat, np.inf)
    return np.where(load >= breakers.instant, 0.0, thermal)
