"""The clairvoyant: the clocks of one who knows the plant and all that will happen.

It has the actuator of a governor at 10 Hz: one operating point for each domain, changed only at ticks of
0.1 s. Each domain's queue is solved by itself (`program`), with leakage at the temperatures that the last
solution had, with what a joule costs at the meter, and within what the cap leaves it, until all agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from edgeagent_hil.dvfs.boards import Board
from edgeagent_hil.dvfs.clairvoyant.program import Costs, State, Way, cheapest
from edgeagent_hil.dvfs.clairvoyant.replay import Meter, Replay, replay
from edgeagent_hil.dvfs.clairvoyant.work import work
from edgeagent_hil.dvfs.scenario import Scenario
from edgeagent_hil.twin.units import Array, Indices

TICK_S = 0.1

#: The share of units that may be late.
MISSES = 0.01

#: What a late unit may cost, in energies of a unit. At the first price none is late that need not be; at the
#: others it is tried what lateness saves.
_STRICT, _LENIENT = 1e3, (8.0, 2.0)

#: Each joule above the cap counts so many.
_OVER = 1e3

#: The share of a tick's mean energy that may be wasted in it, to be done in time.
_TOLERANCE = 1e-4


@dataclass(frozen=True, eq=False)
class Optimum:
    """A schedule, and how close to the least it is proved to be.

    Attributes:
        points: shape (ticks, parts).
        gap_j: by so much, at most, its energy at the meter in the time judged may lie above that of any
            schedule that is late as rarely, at the temperatures of this one. The cap is left aside for this.
        too_hot: whether it passes a temperature limit.
    """

    points: Indices
    gap_j: float
    too_hot: bool


def optimum(board: Board, scenario: Scenario) -> Optimum:
    """Solve a scenario."""
    search = _Search(board, scenario)
    streams = range(len(scenario.streams))
    strict = [search.solve(place, _STRICT) for place in streams]
    search.learn(strict)
    tried = [[search.solve(place, price) for price in (_STRICT, *_LENIENT)] for place in streams]
    chosen = [search.best(found) for found in tried]
    search.learn(chosen)
    final = [search.solve(place, one.price) for place, one in zip(streams, chosen, strict=True)]
    search.learn(final)
    gap_j = sum(search.gap_j(place, one) for place, one in zip(streams, final, strict=True))
    return Optimum(search.points, gap_j, search.too_hot)


class _Solved(NamedTuple):
    """A stream's cheapest ways before and in the time judged.

    Attributes:
        price: of lateness, in energies of a unit.
        late_j: the same in joules.
    """

    before: Way
    judged: Way
    price: float
    late_j: float

    @property
    def cost(self) -> float:
        """Of the time judged, without what lateness costs."""
        return self.judged.cost - self.late_j * self.judged.late


class _Search:
    """What is known of a scenario from the solution before: temperatures, prices, what the others draw.

    Attributes:
        points: shape (ticks, parts), of the solution.
        too_hot: whether it passes a limit.
    """

    def __init__(self, board: Board, scenario: Scenario) -> None:
        self._board, self._scenario = board, scenario
        self._times_s = np.arange(round(scenario.duration_s / TICK_S) + 1) * TICK_S
        self._split = round(scenario.learn_s / TICK_S)
        self._works = [
            work(stream, board.parts[stream.domain], scenario.duration_s) for stream in scenario.streams
        ]
        self._meter = Meter(board)
        cap_w = np.array([scenario.cap_w.at(time_s) for time_s in self._times_s[:-1]])
        self._cap_w = self._meter.dc_w(cap_w)
        self._allowed = MISSES * sum(self._due(place) for place in range(len(self._works)))
        self.points = np.zeros((len(cap_w), len(board.parts)), np.intp)
        self._look(np.zeros(self.points.shape))

    def solve(self, place: int, price: float, *, capped: bool = True) -> _Solved:
        """The cheapest ways of a stream when each late unit costs `price` energies of a unit."""
        one, costs = self._works[place], self._costs(place, price, capped)
        earlier, later = (
            costs._replace(
                **{name: getattr(costs, name)[ticks] for name in ("hold_j", "work_share", "spare_j")}
            )
            for ticks in (slice(None, self._split), slice(self._split, None))
        )
        before = cheapest(one, State(0, 0.0), self._times_s[: self._split + 1], earlier)
        judged = cheapest(one, before.end, self._times_s[self._split :], later)
        return _Solved(before, judged, price, costs.late_j)

    def best(self, found: list[_Solved]) -> _Solved:
        """The cheapest that is not late too often; if all are, the one that is least often."""
        share = self._allowed / len(self._works)
        punctual = [one for one in found if one.judged.late <= share]
        if punctual:
            return min(punctual, key=lambda one: one.cost)
        return min(found, key=lambda one: one.judged.late)

    def learn(self, solved: list[_Solved]) -> None:
        """Take over a solution: what it draws, how warm it gets."""
        busy_w = np.zeros(self.points.shape)
        for stream, one in zip(self._scenario.streams, solved, strict=True):
            self.points[:, stream.domain] = np.concatenate([one.before.points, one.judged.points])
            busy_w[:, stream.domain] = np.concatenate([one.before.busy_j, one.judged.busy_j]) / TICK_S
        self._look(busy_w)

    def gap_j(self, place: int, solved: _Solved) -> float:
        """How far above the least a stream's solution may be, at the meter.

        Lateness is priced (a Lagrangian relaxation): at any price, what the cheapest way pays, less the price
        of all the lateness that is allowed, is no more than the least. Units that may be carried into the
        time judged count as if they had cost nothing.
        """
        one, from_s = self._works[place], self._times_s[self._split]
        carried = int(((one.arrival_s < from_s) & (one.due_s >= from_s)).sum())
        done_j = self._done_j()
        least = max(
            way.judged.cost - way.judged.wasted - way.late_j * self._allowed
            for way in (self.solve(place, price, capped=False) for price in (_STRICT, *_LENIENT))
        )
        return max(solved.cost - least, 0.0) + carried * done_j

    def _look(self, busy_w: Array) -> None:
        self._seen: Replay = replay(self._board, self._scenario, self.points, busy_w, TICK_S)
        limits_c = np.array([part.limit_c for part in self._board.parts])
        self.too_hot = bool((self._seen.junction_c[self._split :] > limits_c).any())

    def _costs(self, place: int, price: float, capped: bool) -> Costs:
        """In joules at the meter."""
        domain = self._scenario.streams[place].domain
        part, one = self._board.parts[domain], self._works[place]
        marginal = self._meter.marginal(self._seen.dc_w)
        warm = np.exp((self._seen.junction_c[:, domain] - part.leakage_at_c) / part.leakage_efold_k)
        hold_w = part.idle_w + np.outer(part.leakage_w * warm, part.leak_share)
        left_w = self._cap_w - (self._seen.dc_w - self._seen.part_w[:, domain])
        mean_j = float(one.energy_j[:, :-1].mean())
        return Costs(
            hold_j=hold_w * (marginal * TICK_S)[:, None],
            work_share=marginal,
            spare_j=left_w * TICK_S if capped else np.full(len(left_w), np.inf),
            over_share=_OVER,
            late_j=price * mean_j,
            done_j=self._done_j(),
            tolerance_j=_TOLERANCE * mean_j * len(one.arrival_s) / len(marginal),
        )

    def _done_j(self) -> float:
        """What a unit costs on average, everything else that the machine draws included."""
        units = sum(len(one.arrival_s) - 1 for one in self._works)
        return float(self._seen.meter_w.sum()) * TICK_S / max(units, 1)

    def _due(self, place: int) -> int:
        one = self._works[place]
        return int(((one.arrival_s >= self._scenario.learn_s) & np.isfinite(one.due_s)).sum())
