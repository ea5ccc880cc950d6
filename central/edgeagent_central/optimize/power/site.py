"""A site as the optimizer knows it: the power tree, what its leaves can be held to, and what time couples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from edgeagent_central.optimize.power.profiles import Profile
from edgeagent_central.optimize.power.tree import Array, Flags, Indices, Tree


class Thermal(NamedTuple):
    """A breaker's bimetal: ``τ·dθ/dt = (P/rated)² - θ``, it trips at `trip` (IEC 60255-149).

    Args:
        tau_s: time constant.
        trip: θ at which it opens; the square of the current that it just carries for ever.
    """

    rated_w: float
    tau_s: float
    trip: float


class Storage(NamedTuple):
    """A battery at a domain's input."""

    power_max_w: float
    capacity_j: float
    reserve_j: float = 0.0
    efficiency: float = 0.96


@dataclass(frozen=True)
class Site:
    """Constants of d domains and n leaves; a leaf is a server, or a component that is held by itself.

    Attributes:
        domains, leaves: names.
        ramp_up_w_per_s, ramp_down_w_per_s: shape (d,); infinite where there is no limit.
        breakers, storage: by domain.
        diverse: shape (d,), whether a domain is reckoned with diversity; all above it must be as well.
        idle_w: shape (n,), drawn without work.
        min_w, max_w: shape (n,), the lowest and the highest that a leaf can be held to; `max_w` is also the
            most that it draws.
        fallback_w: shape (n,), what a leaf goes to when its lease ends.
        clocked: shape (n,), whether its clock can be locked.
        weight: shape (n,), what its work counts, by priority.
        profiles: the classes of work; `profile` of shape (n,) tells each leaf's.
    """

    name: str
    tree: Tree
    domains: tuple[str, ...]
    leaves: tuple[str, ...]
    ramp_up_w_per_s: Array
    ramp_down_w_per_s: Array
    breakers: dict[int, Thermal]
    storage: dict[int, Storage]
    diverse: Flags
    idle_w: Array
    min_w: Array
    max_w: Array
    fallback_w: Array
    clocked: Flags
    weight: Array
    profiles: tuple[Profile, ...]
    profile: Indices

    @property
    def coupled(self) -> list[int]:
        """The domains that time couples, with all above them; the root always. Parents before children."""
        ramped = np.isfinite(self.ramp_up_w_per_s) | np.isfinite(self.ramp_down_w_per_s)
        own = {0, *self.storage, *np.flatnonzero(ramped).tolist()}
        return sorted({above for domain in own for above in self.tree.ancestors(domain)})
