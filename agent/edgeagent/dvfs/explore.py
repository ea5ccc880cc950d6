"""Bounded curiosity: operating points nobody has measured are tried where nothing is at stake.

Only points that keep every limit with room to spare, only for a few ticks, often at first and rarely later.
Points that are fast enough are safe for deadlines, so that curiosity costs energy alone, and only as much as
what it may find is worth (upper confidence bounds in the manner of PolyThrottle's and zTT's exploration).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

#: A visit lasts for this many ticks; it is repeated until a point was seen for so many.
_STAY, _ENOUGH = 3, 6.0

#: While the machine is new: from one visit to the next, and how much dearer a point may look, as a share.
_NEW_S, _NEW_EVERY_S, _NEW_DEARER = 50.0, 0.8, 0.35

#: And for so long when something has changed.
_AWAKE_S = 6.0

#: Later on.
_EVERY_S, _DEARER = 15.0, 0.02

#: What was seen is half forgotten after this.
_HALF_S = 240.0


class Explorer:
    """Decides when to visit which operating point.

    Args:
        points: operating points of each domain.
    """

    def __init__(self, points: Sequence[int]) -> None:
        self._seen = [[0.0] * count for count in points]
        self._since_s = 0.0
        self._alive_s = 0.0
        self._visit: tuple[int, int] | None = None
        self._left = 0

    def seen(self, domain: int, point: int, elapsed_s: float) -> None:
        """A tick was spent at a point."""
        if point >= 0:
            self._seen[domain] = [0.5 ** (elapsed_s / _HALF_S) * count for count in self._seen[domain]]
            self._seen[domain][point] += 1.0

    def wake(self, domain: int) -> None:
        """Something on a domain has become new: curiosity is back for a while."""
        self._seen[domain] = [0.0] * len(self._seen[domain])
        self._alive_s = min(self._alive_s, _NEW_S - _AWAKE_S)
        self._since_s = _NEW_EVERY_S

    def turn(
        self,
        best: tuple[int, ...],
        costs_w: Sequence[Sequence[float]],
        power_w: float,
        busy: Sequence[bool],
        safe: Callable[[tuple[int, ...]], bool],
        elapsed_s: float,
    ) -> tuple[int, ...]:
        """The best choice, or one to learn from.

        Args:
            costs_w: of each domain's points; power_w: of the whole machine, which they are held against.
            busy: domains of which there is something to learn.
            safe: whether a choice keeps all limits with room to spare.
        """
        self._alive_s += elapsed_s
        self._since_s += elapsed_s
        if self._left > 0 and self._visit is not None:
            self._left -= 1
            choice = _with(best, *self._visit)
            if safe(choice):
                return choice
            self._left = 0
        new = self._alive_s < _NEW_S
        if self._since_s < (_NEW_EVERY_S if new else _EVERY_S):
            return best
        self._since_s = 0.0
        dearest_w = (_NEW_DEARER if new else _DEARER) * power_w
        visit = self._next(best, costs_w, dearest_w, busy, safe)
        if visit is None:
            return best
        self._visit, self._left = visit, _STAY - 1
        return _with(best, *visit)

    def _next(
        self,
        best: tuple[int, ...],
        costs_w: Sequence[Sequence[float]],
        dearest_w: float,
        busy: Sequence[bool],
        safe: Callable[[tuple[int, ...]], bool],
    ) -> tuple[int, int] | None:
        """The least dear of those seen too little."""
        wanted = []
        for d, working in enumerate(busy):
            for k, cost_w in enumerate(costs_w[d]) if working else ():
                dearer_w = cost_w - costs_w[d][best[d]]
                if k != best[d] and self._seen[d][k] < _ENOUGH and dearer_w <= dearest_w:
                    wanted.append((dearer_w, d, k))
        for _, d, k in sorted(wanted):
            if safe(_with(best, d, k)):
                return d, k
        return None


def _with(choice: tuple[int, ...], domain: int, point: int) -> tuple[int, ...]:
    return (*choice[:domain], point, *choice[domain + 1 :])
