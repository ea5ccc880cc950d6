"""The limit: the most work that anybody could have had done who knows every demand and every job's own
profile.

Without ramps and batteries the seconds are independent linear programs, one segment of a server's concave
profile a variable; `fill` solves them exactly (the tests hold it against HiGHS, and `by_highs` does for any
second).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgeagent_central.optimize.power.backtest.world import IDLE_W, MIN_W, World
from edgeagent_central.optimize.power.fill import Curves, fill
from edgeagent_central.optimize.power.tree import Array, Tree

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


class Truth:
    """What work is really done, and the most that could be."""

    def __init__(self, world: World) -> None:
        self._world = world
        segments = max(len(profile.x) for profile in world.profiles) - 1
        self._x = np.ones((len(world.profiles), segments + 1))
        self._work = np.ones_like(self._x)
        for row, profile in enumerate(world.profiles):
            self._x[row, : len(profile.x)] = profile.x
            self._work[row, : len(profile.work)] = profile.work
        self._rise = np.diff(self._work, axis=1) / np.maximum(np.diff(self._x, axis=1), 1e-12)

    def wanted(self, demand_w: Array) -> Array:
        """Work of each server if nothing held it, weighted; shape (n,)."""
        wanted: Array = self._world.weight * (demand_w - IDLE_W)
        return wanted

    def done(self, demand_w: Array, power_w: Array) -> Array:
        """Work of each server at `power_w`, weighted; shape (n,)."""
        x = np.clip((power_w - IDLE_W) / np.maximum(demand_w - IDLE_W, 1e-9), 0.0, 1.0)
        truth = self._world.truth
        steps = np.clip(x[:, None] - self._x[truth, :-1], 0.0, np.diff(self._x, axis=1)[truth])
        share = np.minimum((steps * self._rise[truth]).sum(axis=1), 1.0)
        done: Array = self.wanted(demand_w) * share
        return done

    def curves(self, demand_w: Array) -> Curves:
        """What a watt is really worth to each server."""
        truth = self._world.truth
        ends_w = IDLE_W + (demand_w - IDLE_W)[:, None] * self._x[truth]
        floor_w = np.minimum(demand_w, MIN_W)
        width_w = np.diff(np.maximum(ends_w, floor_w[:, None]), axis=1)
        return Curves(floor_w, width_w, self._world.weight[:, None] * self._rise[truth])

    def best(self, tree: Tree, demand_w: Array, limit_w: Array) -> Array:
        """Work of each server when all is shared as well as can be; shape (n,)."""
        return self.done(demand_w, fill(tree, self.curves(demand_w), limit_w).power_w)


def by_highs(tree: Tree, curves: Curves, limit_w: Array) -> float:
    """The same second as a linear program, solved by HiGHS: the weighted work.

    Raises:
        ArithmeticError: it found no solution.
    """
    from scipy.optimize import linprog

    feeds, room_w = carried(tree, curves, limit_w)
    width_w = curves.width_w.ravel()
    bounds = np.stack((np.zeros_like(width_w), width_w), axis=1)
    found = linprog(-curves.worth.ravel(), A_ub=feeds, b_ub=room_w, bounds=bounds, method="highs")
    if found.status != 0:
        raise ArithmeticError(found.message)
    return float(-found.fun)


def carried(tree: Tree, curves: Curves, limit_w: Array) -> tuple[csr_matrix, Array]:
    """What each domain carries of every segment, and the room for it above the floors."""
    from scipy.sparse import csr_matrix

    leaves, segments = curves.width_w.shape
    spans = list(zip(tree.first, tree.end, strict=True))
    rows = np.concatenate([np.full(end - first, domain) for domain, (first, end) in enumerate(spans)])
    columns = np.concatenate([np.arange(first, end) for first, end in spans])
    feeds = csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(tree.parent), leaves))
    cells = np.arange(leaves * segments)
    spread = csr_matrix((np.ones(len(cells)), (np.repeat(np.arange(leaves), segments), cells)))
    return feeds @ spread, limit_w - tree.load_w(curves.floor_w)
