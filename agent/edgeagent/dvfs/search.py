"""The cheapest operating points under limits that add up over the domains.

Costs and limits are sums with one term for each domain: a session's time ``Σ c_d/f_d``, a cap's ``Σ P_d``, a
temperature's ``R_own·P_d + R_whole·Σ P``. So branch and bound needs no more than each domain's least term.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

#: So many partial choices are looked at before the best so far is taken.
_MOST = 600


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
        return self.sum(choice) <= self.bound


def cheapest(costs: Sequence[Sequence[float]], limits: Sequence[Limit]) -> tuple[int, ...] | None:
    """The choice of one operating point for each domain that costs least; None if none keeps all limits.

    Args:
        costs: by domain, then by operating point; infinite for those that are not allowed.
    """
    free = tuple(min(range(len(cost)), key=cost.__getitem__) for cost in costs)
    if all(limit.holds(free) for limit in limits):
        return free
    return _Search(costs, limits).best


class _Search:
    def __init__(self, costs: Sequence[Sequence[float]], limits: Sequence[Limit]) -> None:
        self._costs, self._limits = costs, limits
        self._order = [sorted(range(len(cost)), key=cost.__getitem__) for cost in costs]
        count = len(costs)
        self._least_cost = [0.0] * (count + 1)
        self._least = [[0.0] * len(limits) for _ in range(count + 1)]
        for d in reversed(range(count)):
            allowed = [k for k, cost in enumerate(costs[d]) if cost != float("inf")]
            self._least_cost[d] = self._least_cost[d + 1] + min(costs[d])
            for j, limit in enumerate(limits):
                terms = limit.terms[d]
                least = min((terms[k] for k in allowed), default=0.0) if terms else 0.0
                self._least[d][j] = self._least[d + 1][j] + least
        self.best: tuple[int, ...] | None = None
        self._best_cost = float("inf")
        self._left = _MOST
        self._visit(0, (), 0.0, [0.0] * len(limits))

    def _visit(self, d: int, chosen: tuple[int, ...], cost: float, sums: list[float]) -> None:
        if d == len(self._costs):
            self.best, self._best_cost = chosen, cost
            return
        least = self._least[d + 1]
        for k in self._order[d]:
            now = cost + self._costs[d][k]
            if now + self._least_cost[d + 1] >= self._best_cost or self._left <= 0:
                return
            self._left -= 1
            reached = [
                total + (limit.terms[d][k] if limit.terms[d] else 0.0)
                for total, limit in zip(sums, self._limits, strict=True)
            ]
            if all(
                total + rest <= limit.bound + 1e-12
                for total, rest, limit in zip(reached, least, self._limits, strict=True)
            ):
                self._visit(d + 1, (*chosen, k), now, reached)
