"""All that is metered of a machine, brought together: what each domain draws, and what the whole does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from edgeagent.dvfs import memory
from edgeagent.dvfs.power import Draw, busy_row, idle_row

#: Of a machine's first measured power, the share that is no domain's, and what its domains may draw at most,
#: as a multiple of it (estimates; the meter corrects both within seconds).
_REST, _MOST = 0.4, 2.5


class Load(NamedTuple):
    """What a domain did in a tick.

    Args:
        u: relative clock, the mean.
        point: its operating point, -1 if it had several.
        busy: share of its cores' time.
        stalled: share of the busy time that waited for memory.
        warm: `power.warmth` of its temperature.
        power_w: measured; None if the domain has no meter.
    """

    u: float
    point: int
    busy: float
    stalled: float
    warm: float
    power_w: float | None


class Curves(NamedTuple):
    """What a domain draws at each of its operating points: ``idle_w + busy·busy_w``.

    Args:
        weight: watts of the whole machine for each of its own (losses of the supply come with it).
        seen: whether anything was measured at the point.
    """

    idle_w: list[float]
    busy_w: list[float]
    weight: float
    seen: list[bool]


class Meters:
    """The meters of a machine.

    Args:
        metered: by domain, whether it measures its own power.
    """

    def __init__(self, metered: Sequence[bool]) -> None:
        self.metered = tuple(metered)
        self._slot = {d: i for i, d in enumerate(d for d, own in enumerate(metered) if not own)}
        self._own = {d: Draw(1) for d, own in enumerate(metered) if own}
        self._whole = Draw(len(self._slot), rest=3)
        self._measured = False

    @property
    def known(self) -> bool:
        """Whether the whole machine's power was ever measured."""
        return self._measured

    def learn(self, loads: Sequence[Load], power_w: float | None, turn: Sequence[bool]) -> None:
        """A tick is over.

        Args:
            power_w: of the whole machine; None if it is not known.
            turn: by domain, whether to learn from its own meter this time.
        """
        for d, draw in self._own.items():
            if turn[d] or not draw.known:
                self._learn_own(draw, loads[d])
        if (power_w is None or power_w <= 0) and self._whole.known:
            return
        measured_w = self._measured_w(loads)
        row = [1.0, measured_w, _hot(loads)]
        for d in self._slot:
            row += _features(loads[d])
        if power_w is None or power_w <= 0:  # without a meter: shares of the prior, of a machine of 1 W
            self._whole.begin([_REST, 1.0, 0.0], _MOST, row, 1.0)
            return
        if not self._measured:
            self._measured = True
            rest = [max(0.1 * power_w, _REST * (power_w - measured_w)), 1.0, 0.0]
            self._whole.begin(rest, _MOST * power_w if self._slot else 0.0, row, power_w)
        points = [loads[d].point for d in self._slot]
        self._whole.learn(row, points, _level(loads), power_w)

    def memory(self, names: Sequence[str]) -> dict[str, Any]:
        """What was learned; `names` of the domains."""
        known = {names[d]: draw.memory() for d, draw in self._own.items() if draw.known}
        whole = {"metered": list(known), **self._whole.memory()} if self._measured else {}
        return {"own": known, "whole": whole}

    def recall(self, remembered: Mapping[str, Any], names: Sequence[str]) -> None:
        """Begin from what was learned earlier, as far as it is of the same meters."""
        for d, draw in self._own.items():
            draw.recall(memory.part(remembered, "own", names[d]))
        whole = memory.part(remembered, "whole")
        if whole.get("metered") == [names[d] for d in self._own]:
            self._whole.recall(whole)

    def own_w(self, domain: int, load: Load) -> float:
        """What a domain drew: measured, or as far as the model can tell."""
        if load.power_w is not None:
            return load.power_w
        draw, slot = self._draw(domain)
        theta = draw.theta(slot)
        watts = sum(a * b for a, b in zip(theta, _features(load), strict=True))
        return max(0.0, watts + draw.correction.get((slot, load.point), 0.0) + self._constant_w(domain))

    def curves(self, domain: int, us: Sequence[float], stalled: Sequence[float], warm: float) -> Curves:
        """What a domain would draw at relative clocks `us`.

        Args:
            stalled: at each of them, the share of busy time that waits for memory.
        """
        draw, slot = self._draw(domain)
        l0, l1, a0, a1, a3, s1, s3 = draw.theta(slot)
        constant_w = self._constant_w(domain)
        idle_w, busy_w, seen = [], [], []
        for point, (u, s) in enumerate(zip(us, stalled, strict=True)):
            cube = u * u * u
            correction_w = draw.correction.get((slot, point))
            seen.append(correction_w is not None)
            idle_w.append(max(0.0, constant_w + warm * (l0 + l1 * cube) + (correction_w or 0.0)))
            busy_w.append(a0 + (1.0 - s) * (a1 * u + a3 * cube) + s * (s1 * u + s3 * cube))
        weight = max(0.5, self._whole.rest[1]) if domain in self._own and self._whole.known else 1.0
        return Curves(idle_w, busy_w, weight, seen)

    def rest_w(self, loads: Sequence[Load]) -> float:
        """What is no domain's."""
        p0, _, fans = self._whole.rest
        return p0 + fans * _hot(loads)

    def _draw(self, domain: int) -> tuple[Draw, int]:
        if domain in self._own:
            return self._own[domain], 0
        return self._whole, self._slot[domain]

    def _constant_w(self, domain: int) -> float:
        return self._own[domain].rest[0] if domain in self._own else 0.0

    def _measured_w(self, loads: Sequence[Load]) -> float:
        return sum(self.own_w(d, loads[d]) for d in self._own)

    def _learn_own(self, draw: Draw, load: Load) -> None:
        if load.power_w is None:
            return
        row = [1.0, *_features(load)]
        if not draw.known:
            draw.begin([_REST * load.power_w], _MOST * load.power_w, row, load.power_w)
        draw.learn(row, [load.point], _level([load]), load.power_w)


def _features(load: Load) -> list[float]:
    """A domain's row."""
    idle, busy = idle_row(load.u, load.warm), busy_row(load.u, load.stalled)
    return [i + load.busy * b for i, b in zip(idle, busy, strict=True)]


def _level(loads: Sequence[Load]) -> int:
    """A number that tells loads apart: the busy share of each domain in sixths."""
    level = 0
    for load in loads:
        level = 8 * level + round(6 * load.busy)
    return level


def _hot(loads: Sequence[Load]) -> float:
    """What fans draw grows with a power of how hot the hottest part is."""
    hottest = max((load.warm for load in loads), default=0.0)
    return hottest * hottest
