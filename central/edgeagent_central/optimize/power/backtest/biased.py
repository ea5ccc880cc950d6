"""Forecasts that are wrong on purpose, to see what becomes of the limits."""

from __future__ import annotations

from edgeagent_central.optimize.power.demand import Demand
from edgeagent_central.optimize.power.site import Site
from edgeagent_central.optimize.power.tree import Array


class Biased(Demand):
    """Demands that are all forecast too high or too low.

    Args:
        factor: what is expected above idle, over what it should be.
    """

    def __init__(self, site: Site, factor: float) -> None:
        super().__init__(site)
        self._factor = factor

    def quantiles_w(self) -> Array:
        """Of the next second's demand; shape (n, 5)."""
        idle_w = self._site.idle_w[:, None]
        wrong_w: Array = idle_w + (super().quantiles_w() - idle_w) * self._factor
        return wrong_w.clip(max=self._site.max_w[:, None])
