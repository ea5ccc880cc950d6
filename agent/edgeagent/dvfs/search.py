"""The cheapest operating points under limits that add up over the domains.

Costs and limits are sums with one term for each domain: a session's time ``Σ c_d/f_d``, a cap's ``Σ P_d``, a
temperature's ``R_own·P_d + R_whole·Σ P``. So branch and bound needs no more than each domain's least term.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import NamedTuple

#: So many partial choices are looked at before the best so far is taken.
_MOST = 400

#: Sums that differ by no more are equal.
_EXACT = 1e-12


class Limit(NamedTuple):
    """A sum that must not pass a bound.

    Args:
        name: what it limits, in words.
        terms: by domain, then by operating point; an empty list stands for zeros.
        bound: for the sum.
    """

    name: str
    terms: Sequence[Sequence[float]]
    bound: float

    def sum(self, choice: Sequence[int]) -> float:
        """What a choice comes to."""
        return sum(terms[k] for terms, k in zip(self.terms, choice, strict=True) if terms)

    def holds(self, choice: Sequence[int]) -> bool:
        """Whether a choice keeps it."""
        return self.sum(choice) <= self.bound + _EXACT


def cheapest(costs: Sequence[Sequence[float]], limits: Sequence[Limit]) -> tuple[int, ...] | None:
    """The choice of one operating point for each domain that costs least; None if none keeps all limits.

    Args:
        costs: by domain, then by operating point.
    """
    order = [sorted(range(len(cost)), key=cost.__getitem__) for cost in costs]
    shared = []
    for limit in limits:
        touched = [d for d, terms in enumerate(limit.terms) if terms]
        if len(touched) == 1:
            d, bound = touched[0], limit.bound + _EXACT
            terms = limit.terms[d]
            order[d] = [k for k in order[d] if terms[k] <= bound]
        else:
            shared.append(limit)
    if not all(order):
        return None
    free = tuple(points[0] for points in order)
    if all(limit.holds(free) for limit in shared):
        return free
    return _Search(costs, order, shared).best


class _Search:
    """Depth first, each domain's cheapest point first; what cannot become better or right is cut off."""

    def __init__(
        self, costs: Sequence[Sequence[float]], order: Sequence[Sequence[int]], limits: Sequence[Limit]
    ) -> None:
        self._costs, self._order, self._limits = costs, order, limits
        count = len(costs)
        self._least_cost = [0.0] * (count + 1)
        self._least = [[0.0] * len(limits) for _ in range(count + 1)]
        for d in reversed(range(count)):
            self._least_cost[d] = self._least_cost[d + 1] + costs[d][order[d][0]]
            for j, limit in enumerate(limits):
                terms = limit.terms[d]
                least = min(terms[k] for k in order[d]) if terms else 0.0
                self._least[d][j] = self._least[d + 1][j] + least
        self.best: tuple[int, ...] | None = None
        self._best_cost = inf
        self._left = _MOST
        self._visit(0, (), 0.0, [0.0] * len(limits))

    def _visit(self, d: int, chosen: tuple[int, ...], cost: float, sums: list[float]) -> None:
        if d == len(self._costs):
            self.best, self._best_cost = chosen, cost
            return
        for k in self._order[d]:
            now = cost + self._costs[d][k]
            if now + self._least_cost[d + 1] >= self._best_cost or self._left <= 0:
                return
            self._left -= 1
            reached = self._reached(d, k, sums)
            if reached is not None:
                self._visit(d + 1, (*chosen, k), now, reached)

    def _reached(self, d: int, k: int, sums: list[float]) -> list[float] | None:
        """The sums with one more term; None if a bound cannot be kept any more."""
        reached = []
        for j, limit in enumerate(self._limits):
            terms = limit.terms[d]
            total = sums[j] + terms[k] if terms else sums[j]
            if total + self._least[d + 1][j] > limit.bound + _EXACT:
                return None
            reached.append(total)
        return reached
