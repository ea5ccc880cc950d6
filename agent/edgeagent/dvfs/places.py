"""Least squares that remembers by place: what is learned at one operating point displaces nothing elsewhere.

Forgetting by time alone forgets most where a machine that found its best clock never goes again. Here every
place (an operating point, or a tuple of them) keeps the running mean of its own last rows, and these means
are the rows of the fit. The places wear out slowly besides, so that what is stale gives way in the end.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Generic, TypeVar

from edgeagent.dvfs.rls import Fit

K = TypeVar("K", bound=Hashable)


#: Wear is applied once in so many rows.
_WEAR_EVERY = 8


class _Place:
    __slots__ = ("count", "row", "target", "unit", "weight")

    def __init__(self, row: Sequence[float], target: float, unit: float) -> None:
        self.row, self.target, self.unit = list(row), target, unit
        self.count = 1.0
        self.weight = unit


class Places(Generic[K]):
    """Running means by place, fitted together.

    Args:
        fit: what is fitted to them.
        keep: so many rows a mean reaches back, and so many rows it counts as at most.
        most: so many places are kept; the one that was visited longest ago goes first.
        wear: the share of its weight that a place loses with each row learned elsewhere.
    """

    def __init__(self, fit: Fit, keep: float = 30.0, most: int = 64, wear: float = 1e-3) -> None:
        self.fit = fit
        self._keep, self._most, self._wear = keep, most, wear
        self._places: dict[K, _Place] = {}
        self._round: list[K] = []
        self._learned = 0

    def __contains__(self, key: K) -> bool:
        return key in self._places

    def count(self, key: K) -> float:
        """How many rows were learned at a place, as far as they count still."""
        place = self._places.get(key)
        return place.count if place else 0.0

    def known(self, key: K, count: float) -> float | None:
        """The mean target of a place, if at least so many rows were learned there."""
        place = self._places.get(key)
        return place.target if place and place.count >= count else None

    def familiar(self, count: float) -> int:
        """At how many places at least so many rows were learned."""
        return sum(place.count >= count for place in self._places.values())

    def mean(self, key: K) -> tuple[list[float], float]:
        """The mean row of a place and its mean target."""
        place = self._places[key]
        return place.row, place.target

    def turn(self, count: int) -> list[K]:
        """Some places, others each time, until all had their turn."""
        if not self._round:
            self._round = list(self._places)
        taken = [key for key in self._round[-count:] if key in self._places] if count else []
        del self._round[-count:]
        return taken

    def learn(self, key: K, row: Sequence[float], target: float, unit: float = 1.0) -> None:
        """A row seen at a place; `unit` is the weight of one row, that is one over its variance."""
        place = self._places.pop(key, None)
        self._wear_one()
        if place is None:
            place = _Place(row, target, unit)
            if len(self._places) >= self._most:
                self._drop(next(iter(self._places)))
        else:
            self.fit.add(place.row, place.target, -place.weight)
            place.count = min(place.count + 1.0, self._keep)
            gain = 1.0 / place.count
            place.row = [mean + gain * (value - mean) for mean, value in zip(place.row, row, strict=True)]
            place.target += gain * (target - place.target)
            place.unit += gain * (unit - place.unit)
            place.weight = place.count * place.unit
        self._places[key] = place  # the last is the newest
        self.fit.add(place.row, place.target, place.weight)

    def doubt(self, left: float, count: float = 1.0) -> None:
        """Something has changed: all places count `left` times as much, and new rows soon more than old."""
        for place in self._places.values():
            self._weigh(place, place.weight * left)
            place.count = min(place.count, count)

    def _wear_one(self) -> None:
        """Once in a while one place pays for all of them; each has its turn."""
        self._learned += 1
        if self._places and self._learned % _WEAR_EVERY == 0:
            key = next(iter(self._places))
            place = self._places.pop(key)
            self._weigh(place, place.weight * max(0.0, 1.0 - self._wear * _WEAR_EVERY * len(self._places)))
            self._places[key] = place

    def _weigh(self, place: _Place, weight: float) -> None:
        self.fit.add(place.row, place.target, weight - place.weight)
        place.weight = weight

    def _drop(self, key: K) -> None:
        place = self._places.pop(key)
        self.fit.add(place.row, place.target, -place.weight)
