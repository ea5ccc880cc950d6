"""A quadratic program, put together row by row: columns in blocks, sparse rows, and their bounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from edgeagent_central.optimize.power.tree import Array, Indices

if TYPE_CHECKING:
    from scipy.sparse import csc_matrix

_PRECISION: Final = 1e-7


class Solution(NamedTuple):
    """A minimum.

    Attributes:
        x: shape (columns,).
        price: shape (rows of `within`,): by how much the minimum falls for a bound raised by one.
    """

    x: Array
    price: Array


class Program:
    """Minimise ``cost·x + ½·x'·Q·x`` with ``equal·x = …``, ``within·x ≤ …`` and ``0 ≤ x ≤ upper``."""

    def __init__(self) -> None:
        self.equal, self.within = _Rows(), _Rows()
        self._cost: list[Array] = []
        self._upper: list[Array] = []
        self._squares: list[tuple[int, int, float]] = []
        self.columns = 0

    def add(self, *shape: int, cost: Any = 0.0, upper: Any = np.inf) -> Indices:
        """New variables; their columns, in the shape asked for."""
        count = int(np.prod(shape))
        self._cost.append(np.broadcast_to(cost, shape).astype(float).ravel())
        self._upper.append(np.broadcast_to(upper, shape).astype(float).ravel())
        self.columns += count
        return np.arange(self.columns - count, self.columns).reshape(shape)

    def add_square(self, terms: Mapping[int, float], target: float, weight: float) -> None:
        """Add ``weight·(terms·x - target)²`` to the cost."""
        for row, left in terms.items():
            self._bend(row, -2.0 * weight * target * left)
            self._squares += [(row, column, 2.0 * weight * left * right) for column, right in terms.items()]

    def _bend(self, column: int, by: float) -> None:
        for part in self._cost:
            if column < len(part):
                part[column] += by
                return
            column -= len(part)

    def matrices(self) -> tuple[csc_matrix, Array, csc_matrix, csc_matrix, Array]:
        """Q, cost, equal, within and upper."""
        from scipy.sparse import csc_matrix

        rows, columns, values = zip(*self._squares, strict=True) if self._squares else ((), (), ())
        square = csc_matrix((values, (rows, columns)), shape=(self.columns, self.columns))
        equal, within = self.equal.sparse(self.columns), self.within.sparse(self.columns)
        return square, np.concatenate(self._cost), equal, within, np.concatenate(self._upper)

    def solve(self) -> Solution | None:
        """By PIQP's interior point method; None if it did not get there."""
        import piqp

        square, cost, equal, within, upper = self.matrices()
        bound = np.asarray(self.within.bound)
        solver = piqp.SparseSolver()
        solver.settings.eps_abs = solver.settings.eps_rel = _PRECISION
        solver.setup(
            square,
            cost,
            equal,
            np.asarray(self.equal.bound),
            within,
            np.full(len(bound), -np.inf),
            bound,
            np.zeros(self.columns),
            upper,
        )
        if solver.solve() != piqp.PIQP_SOLVED:
            return None
        return Solution(np.array(solver.result.x), np.array(solver.result.z_u))


class _Rows:
    """Linear rows with their right-hand sides."""

    def __init__(self) -> None:
        self.bound: list[float] = []
        self._entries: list[tuple[int, int, float]] = []

    def add(self, terms: Mapping[int, float], bound: float) -> int:
        """One more row; its place."""
        row = len(self.bound)
        self._entries += [(row, column, value) for column, value in terms.items()]
        self.bound.append(bound)
        return row

    def sparse(self, columns: int) -> csc_matrix:
        """The rows as a matrix."""
        from scipy.sparse import csc_matrix

        rows, places, values = zip(*self._entries, strict=True) if self._entries else ((), (), ())
        return csc_matrix((values, (rows, places)), shape=(len(self.bound), columns))
