"""How values of kinds become arrays over servers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from edgeagent_hil.twin.kinds import Component, Kind
from edgeagent_hil.twin.units import Array, Indices


class Layout:
    """`counts[i]` servers of `kinds[i]`, one kind after the other.

    Machines with fewer components than the largest are filled up with absent ones; components with fewer
    operating points repeat their last.

    Args:
        rng: draws what differs between machines of one kind; without it they are alike.

    Attributes:
        kind: shape (n,), index into `kinds`.
        points: most operating points that any component has.
    """

    def __init__(
        self, kinds: Sequence[Kind], counts: Sequence[int], rng: np.random.Generator | None = None
    ) -> None:
        self.kinds = tuple(kinds)
        self.kind: Indices = np.repeat(np.arange(len(kinds)), counts)
        self.points = max(len(part.points_hz_v) for kind in kinds for part in kind.components)
        self._most = max(len(kind.components) for kind in kinds)
        self._rng = rng

    def servers(self, value: Callable[[Kind], float | Sequence[float]]) -> Array:
        """Shape (…, n): a value of each server."""
        values = np.array([value(kind) for kind in self.kinds], float)
        return np.ascontiguousarray(values.T[..., self.kind])

    def parts(
        self, value: Callable[[Component], float | Sequence[float]], absent: float | Sequence[float] = 0.0
    ) -> Array:
        """Shape (…, c, n): a value of each component, `absent` where there is none."""
        rows = [
            [value(part) for part in kind.components] + [absent] * (self._most - len(kind.components))
            for kind in self.kinds
        ]
        # In memory as the shape says: arrays of unlike order are slow together.
        return np.ascontiguousarray(np.moveaxis(np.array(rows, float), (0, 1), (-1, -2))[..., self.kind])

    def varied(self, nominal: Array, spread: float) -> Array:
        """`nominal`, differing by the standard deviation `spread` (a share) from machine to machine."""
        if self._rng is None:
            return nominal
        return nominal * np.clip(1 + spread * self._rng.standard_normal(nominal.shape), 0.5, 1.5)

    def points_of(self, part: Component, column: int) -> list[float]:
        """The clocks (0) or voltages (1) of a component's operating points, filled up to `points`."""
        values = [point[column] for point in part.points_hz_v]
        return values + [values[-1]] * (self.points - len(values))
