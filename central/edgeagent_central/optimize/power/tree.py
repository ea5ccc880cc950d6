"""The power tree as arrays: what every step of the optimizer works on.

Leaves (servers, or their components) stand in the order of a walk through the tree, so each domain feeds a
run of neighbours, and its load is the difference of two cumulative sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
Flags = NDArray[np.bool_]


class Level(NamedTuple):
    """The domains of one depth of the tree.

    Attributes:
        domains: shape (m,), their indices.
        of_leaf: shape (n,), for each leaf the place in `domains` of the one above it; m where there is none.
    """

    domains: Indices
    of_leaf: NDArray[np.int32]


@dataclass(frozen=True)
class Tree:
    """d domains, parents before children, above n leaves.

    Attributes:
        parent: shape (d,); the first is the root, whose parent is -1.
        first, end: shape (d,), the run of leaves that a domain feeds.
        limit_w: shape (d,), what it may carry for ever.
        domain: shape (n,), the one right above each leaf.
    """

    parent: Indices
    first: Indices
    end: Indices
    limit_w: Array
    domain: Indices

    @classmethod
    def build(cls, parent: Sequence[int], limit_w: Sequence[float], domain_of_leaf: Sequence[int]) -> Tree:
        """From each domain's parent (an earlier one) and each leaf's domain, in the order of a walk."""
        count = len(parent)
        first = np.full(count, len(domain_of_leaf), np.intp)
        end = np.zeros(count, np.intp)
        for leaf, domain in enumerate(domain_of_leaf):
            first[domain] = min(first[domain], leaf)
            end[domain] = leaf + 1
        for domain in range(count - 1, 0, -1):
            above = parent[domain]
            first[above] = min(first[above], first[domain])
            end[above] = max(end[above], end[domain])
        first = np.minimum(first, end)
        return cls(
            np.asarray(parent, np.intp),
            first,
            end,
            np.asarray(limit_w, float),
            np.asarray(domain_of_leaf, np.intp),
        )

    @cached_property
    def levels(self) -> tuple[Level, ...]:
        """Deepest first, the root last."""
        depth = np.zeros(len(self.parent), np.intp)
        for domain in range(1, len(self.parent)):
            depth[domain] = depth[self.parent[domain]] + 1
        return tuple(self._level(np.flatnonzero(depth == at)) for at in range(int(depth.max()), -1, -1))

    def _level(self, domains: Indices) -> Level:
        of_leaf = np.full(len(self.domain), len(domains), np.int32)
        for place, domain in enumerate(domains):
            of_leaf[self.first[domain] : self.end[domain]] = place
        return Level(domains, of_leaf)

    def load_w(self, leaf_w: Array) -> Array:
        """What flows through each domain; shape (d,)."""
        total = np.concatenate(([0.0], np.cumsum(leaf_w)))
        carried: Array = total[self.end] - total[self.first]
        return carried

    def lowest_above(self, share: Array) -> Array:
        """For each domain the lowest of its own value and those of all above it; shape (d,)."""
        lowest = share.copy()
        for domain in range(1, len(lowest)):
            lowest[domain] = min(lowest[domain], lowest[self.parent[domain]])
        return lowest

    def at_or_above(self, marked: Flags) -> Flags:
        """Which domains are marked, or stand below one that is; shape (d,)."""
        found = marked.copy()
        for domain in range(1, len(found)):
            found[domain] |= found[self.parent[domain]]
        return found

    def ancestors(self, domain: int) -> list[int]:
        """From the domain itself up to the root."""
        path = []
        while domain >= 0:
            path.append(domain)
            domain = int(self.parent[domain])
        return path
