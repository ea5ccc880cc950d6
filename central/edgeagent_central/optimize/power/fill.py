"""Exact allocation down a tree: the most useful work under every limit of one moment.

Each leaf's use of power is concave and piecewise linear: segments of a width (W) and a worth (work per W)
that never rises. The best use of power below a domain is then its children's segments, merged by falling
worth and cut off at its limit; the cut segments are again such a curve, for its parent. One pass from the
racks to the site is exact, because limits on nested groups form a polymatroid, on which the greedy
algorithm is optimal (Federgruen, Groenevelt, Operations Research 34(6), 1986). Segments of equal worth are
cut in proportion: equals get equal shares.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgeagent_central.optimize.power.tree import Array, Flags, Indices, Level, Tree


class Curves(NamedTuple):
    """What power is worth to n leaves, in k segments above what they draw in any case.

    Attributes:
        floor_w: shape (n,), drawn in any case.
        width_w: shape (n, k).
        worth: shape (n, k), work per W; never rises along a row.
    """

    floor_w: Array
    width_w: Array
    worth: Array


class Filled(NamedTuple):
    """An allocation.

    Attributes:
        power_w: shape (n,).
        price: shape (d,), the worth of one more W at each domain (its shadow price); 0 where it does not
            bind.
    """

    power_w: Array
    price: Array


class Filling:
    """An allocation under way: domains are cut level by level, in any order that has children first.

    Args:
        counts: shape (n, k), for how much of its width each segment counts; None: all count whole. What
            counts for
            nothing is lost to a leaf of which anything is cut: it lies above.
    """

    def __init__(self, tree: Tree, curves: Curves, counts: Array | None = None) -> None:
        self._tree, leaves, segments = tree, *curves.width_w.shape
        self._shape = leaves, segments
        #: The segments: leaf, width, share that counts, and worth for each W that counts.
        self._leaf = np.repeat(np.arange(leaves, dtype=np.int32), segments)
        self._width_w = curves.width_w.ravel().copy()
        if counts is None:
            self._counts, self._worth = np.ones_like(self._width_w), curves.worth.ravel()
        else:
            self._counts = counts.ravel()
            self._worth = _for_each_that_counts(curves, counts).ravel()
        self._floors_w = tree.load_w(curves.floor_w)
        used = np.flatnonzero((self._width_w > 0) & (self._counts > 0)).astype(np.int32)
        self._order = used[np.argsort(-self._worth[used])]
        #: Shape (d,), worth of the first W that was cut at each domain; 0 where nothing was.
        self.cut_worth = np.zeros(len(tree.parent))

    @property
    def width_w(self) -> Array:
        """What is left of each segment; shape (n, k)."""
        return self._width_w.reshape(self._shape)

    def cut(self, level: Level, limit_w: Array) -> None:
        """Hold every domain of a level to its limit; `limit_w` of shape (d,)."""
        counted_w = (self._width_w * self._counts).reshape(self._shape).sum(axis=1)
        room_w = np.maximum(limit_w - self._floors_w, 0.0)[level.domains]
        over = self._tree.load_w(counted_w)[level.domains] > room_w
        if not over.any():
            return
        leaf_over = np.append(over, False)[level.of_leaf]
        held = self._order[leaf_over[self._leaf[self._order]]]
        cut_leaves = self._cut(level.domains, room_w, held, level.of_leaf[self._leaf[held]])
        self._width_w[cut_leaves[self._leaf] & (self._counts == 0)] = 0.0

    def _cut(self, domains: Indices, room_w: Array, held: Indices, place: NDArray[np.int32]) -> Flags:
        """Cut the segments `held`, by falling worth. Returns whose are less than before; shape (n,)."""
        if len(domains) > 1:
            small = place.astype(np.int16) if len(domains) < 2**15 else place  # NumPy sorts 16 bits by radix
            by_domain = np.argsort(small, kind="stable")
            held, place = held[by_domain], place[by_domain]
        worth, width_w = self._worth[held], self._width_w[held] * self._counts[held]
        # A run is what one domain has at one worth: cut as a whole.
        starts = np.flatnonzero(np.r_[True, (place[1:] != place[:-1]) | (worth[1:] != worth[:-1])])
        run_w, run_place = np.add.reduceat(width_w, starts), place[starts]
        before_w = np.cumsum(run_w) - run_w
        opens = np.flatnonzero(np.r_[True, run_place[1:] != run_place[:-1]])
        before_w -= np.repeat(before_w[opens], np.diff(np.r_[opens, len(run_w)]))
        share = np.clip((room_w[run_place] - before_w) / np.maximum(run_w, 1e-12), 0.0, 1.0)
        kept = np.repeat(share, np.diff(np.r_[starts, len(held)]))
        self._width_w[held] *= kept
        short = np.flatnonzero(share < 1.0)[::-1]  # the first that falls short is written last
        self.cut_worth[domains[run_place[short]]] = worth[starts[short]]
        cut = np.zeros(self._shape[0], bool)
        cut[self._leaf[held[kept < 1.0]]] = True
        return cut

    def counted_w(self, owner: Indices, owners: int) -> list[tuple[Array, Array]]:
        """What is left and counts, by falling worth: widths and worths of each owner of leaves.

        Args:
            owner: shape (n,).
        """
        width_w, worth = (self._width_w * self._counts)[self._order], self._worth[self._order]
        of_segment = owner[self._leaf[self._order]]
        return [(width_w[mine], worth[mine]) for mine in (of_segment == place for place in range(owners))]


def fill(tree: Tree, curves: Curves, limit_w: Array) -> Filled:
    """The allocation that does the most work; `limit_w` of shape (d,).

    Where floors alone pass a limit they are drawn all the same, and the rest of that domain gets nothing.
    """
    filling = Filling(tree, curves)
    for level in tree.levels:
        filling.cut(level, limit_w)
    return Filled(curves.floor_w + filling.width_w.sum(axis=1), shadow_prices(tree, filling.cut_worth))


def shadow_prices(tree: Tree, cut_worth: Array) -> Array:
    """What one more W at each domain is worth by itself; shape (d,).

    What was cut at a domain is worth its own price and those of all above it: another W must pass them too.
    """
    price = np.zeros_like(cut_worth)
    above = np.zeros_like(cut_worth)
    for domain, worth in enumerate(cut_worth):
        paid = above[tree.parent[domain]] if domain else 0.0
        price[domain] = max(worth - paid, 0.0)
        above[domain] = max(worth, paid)
    return price


def _for_each_that_counts(curves: Curves, counts: Array) -> Array:
    """Worth for each W that counts, never rising along a row; shape (n, k)."""
    size_w = curves.width_w * counts
    worth = np.divide(curves.worth, counts, out=np.zeros_like(counts), where=size_w > 0)
    # Where nothing is wide the neighbour counts.
    ahead = np.maximum.accumulate(worth[:, ::-1], axis=1)[:, ::-1]
    rising = (np.where(size_w > 0, worth, ahead) < ahead - 1e-12).any(axis=1)
    worth[rising] = _ironed(size_w[rising], (curves.width_w * curves.worth)[rising])
    return worth


def _ironed(size_w: Array, value: Array) -> Array:
    """Worth for each W that counts, as the slopes of the concave hull over each row; shape (n, k).

    The slope at j is ``min over i ≤ j of max over m ≥ j of (V_m - V_i) / (S_m - S_i)`` over the cumulated
    sums (Barlow et al., Statistical Inference under Order Restrictions, 1972).
    """
    rows, segments = size_w.shape
    size = np.concatenate((np.zeros((1, rows)), np.cumsum(size_w.T, axis=0)))
    total = np.concatenate((np.zeros((1, rows)), np.cumsum(value.T, axis=0)))
    slopes = np.full((segments, rows), np.inf)
    for begin in range(segments):
        best = np.zeros(rows)
        for end in range(segments, begin, -1):
            span = size[end] - size[begin]
            mean = (total[end] - total[begin]) / np.where(span > 1e-9, span, np.inf)
            np.maximum(best, mean, out=best)
            np.minimum(slopes[end - 1], best, out=slopes[end - 1])
    return slopes.T
