"""Made-up work: demand that wanders around a mean, server by server, the same way for the same seed."""

from __future__ import annotations

import math

import numpy as np

from edgeagent_hil.twin.units import Array


class Workload:
    """Demand of every component: an Ornstein–Uhlenbeck process for each server, within 0 and 1.

    Its exact discretization ``x' = μ + (x − μ)·e^(−Δt/τ) + σ·√(1 − e^(−2Δt/τ))·N(0, 1)`` (Gillespie,
    Phys. Rev. E 54, 2084, 1996) has the same statistics at any step.

    Args:
        shape: components, servers; all components of a server work together.
        mean, deviation: of the demand, as shares of what a server can do.
        tau_s: how long it stays high or low.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        seed: int,
        *,
        mean: float = 0.6,
        deviation: float = 0.2,
        tau_s: float = 60.0,
    ) -> None:
        self._rng = np.random.default_rng(seed)
        self._shape, self._mean, self._deviation, self._tau_s = shape, mean, deviation, tau_s
        self._level = mean + deviation * self._rng.standard_normal(shape[1])

    def next(self, dt_s: float) -> Array:
        """Demand during the next step; shape (c, n)."""
        kept = math.exp(-dt_s / self._tau_s)
        fresh = self._deviation * math.sqrt(1 - kept * kept) * self._rng.standard_normal(self._shape[1])
        self._level = self._mean + (self._level - self._mean) * kept + fresh
        return np.broadcast_to(np.clip(self._level, 0.0, 1.0), self._shape)
