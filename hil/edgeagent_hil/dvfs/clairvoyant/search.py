"""The clairvoyant: the clocks of one who knows the plant and all that will happen.

It has the actuator of a governor at 10 Hz: one operating point for each domain, changed only at ticks of
0.1 s. Each domain's queue is solved by itself (`program`), with leakage at the temperatures that the last
solution had, with what a joule costs at the meter, and within what the cap leaves it, until all agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from edgeagent_hil.dvfs.boards import Board
from edgeagent_hil.dvfs.clairvoyant.program import Costs, State, Way, cheapest
from edgeagent_hil.dvfs.clairvoyant.replay import Meter, Replay, replay
from edgeagent_hil.dvfs.clairvoyant.work import work
from edgeagent_hil.dvfs.judge import CAP_TOLERANCE
from edgeagent_hil.dvfs.scenario import Scenario
from edgeagent_hil.twin.units import Array, Indices

TICK_S = 0.1

#: The share of units that may be late.
MISSES = 0.01

#: What a late unit may cost, in mean energies of a unit. The first leaves room for what lateness saves; at
#: the last none is late that need not be.
_PRICES = (1.5, 3.0, 6.0, 1e3)

#: A schedule is good enough when no more than this share of the energy lies between it and the least.
_ENOUGH = 0.01

#: Each joule above the cap counts so many: more than lateness does. The cap is kept in each tick, though only
#: seconds are judged, and up to four fifths of the judge's tolerance above it.
_OVER, _SEEN = 1e5, 1 + 0.8 * CAP_TOLERANCE

#: The share of a tick's mean energy that may be wasted in it, to be done in time; at first, when only
#: temperatures are looked for, and then.
_ROUGH, _FINE = 5e-2, 1e-4


@dataclass(frozen=True, eq=False)
class Optimum:
    """A schedule, and how close to the least it is proved to be.

    Attributes:
        points: shape (ticks, parts).
        energy_j: at the meter, in the time judged.
        gap_j: by so much, at most, that may lie above what any schedule needs that is late as rarely, at the
            temperatures of this one. The cap is left aside for this.
        too_hot: whether it passes a temperature limit.
    """

    points: Indices
    energy_j: float
    gap_j: float
    too_hot: bool

    @property
    def proof(self) -> str:
        """How good it is, for people."""
        if self.too_hot:
            return "not proved: it passes a temperature limit"
        least = 100 * (1 - self.gap_j / self.energy_j)
        return f"proved: on the same ticks nobody does with less than {least:.1f} % of it"


def optimum(board: Board, scenario: Scenario) -> Optimum:
    """Solve a scenario."""
    search = _Search(board, scenario)
    search.learn(search.solve(_PRICES[-1], tolerance=_ROUGH))
    tried = []
    for price in _PRICES:
        tried.append(search.solve(price))
        if search.enough(tried[-1]):
            break
    punctual = [solved for solved in tried if solved.late <= search.allowed]
    chosen = min(punctual, key=lambda solved: solved.net_j, default=tried[-1])
    if not search.uncapped:
        tried = [search.solve(price, capped=False) for price in _PRICES[: len(tried)]]
    gap_j = search.gap_j(chosen, tried)
    search.learn(chosen)
    return Optimum(search.points, search.energy_j, gap_j, search.too_hot)


class _Solved(NamedTuple):
    """The cheapest ways of all streams, before and in the time judged.

    Attributes:
        late_j: what a late unit was to cost.
    """

    before: list[Way]
    judged: list[Way]
    late_j: float

    @property
    def late(self) -> int:
        """Units judged that are late."""
        return sum(way.late for way in self.judged)

    @property
    def net_j(self) -> float:
        """Of the time judged: what energy costs, less what units are worth."""
        return sum(way.net_j for way in self.judged)

    def least(self, allowed: float) -> float:
        """What no schedule with so many late units can be below.

        Lateness is priced (a Lagrangian relaxation): what the cheapest way pays, less the price of all the
        lateness that is allowed.
        """
        return sum(way.cost - way.wasted for way in self.judged) - self.late_j * allowed


class _Search:
    """What is known of a scenario from the solution before: temperatures, prices, what the others draw.

    Attributes:
        points: shape (ticks, parts), of the solution.
        too_hot: whether it passes a limit.
        allowed: how many units judged may be late.
        uncapped: whether there is no cap at any time.
    """

    def __init__(self, board: Board, scenario: Scenario) -> None:
        self._board, self._scenario = board, scenario
        ticks = round(scenario.duration_s / TICK_S)
        self._times_s = np.linspace(0.0, ticks * TICK_S, ticks + 1)
        self._split = round(scenario.learn_s / TICK_S)
        self._works = [
            work(stream, board.parts[stream.domain], scenario.duration_s, TICK_S)
            for stream in scenario.streams
        ]
        self._meter = Meter(board)
        cap_w = _SEEN * np.array([scenario.cap_w.at(time_s) for time_s in self._times_s[:-1]])
        self._cap_w = self._meter.dc_w(cap_w)
        self.uncapped = bool(np.isinf(cap_w).all())
        units = sum(len(one.arrival_s) - 1 for one in self._works)
        self._mean_j = sum(float(one.energy_j.mean(axis=0).sum()) for one in self._works) / max(units, 1)
        self.allowed = MISSES * sum(self._due(place) for place in range(len(self._works)))
        self.points = np.zeros((ticks, len(board.parts)), np.intp)
        rest = replay(board, scenario, self.points[:1], np.zeros((1, len(board.parts))), TICK_S)
        self._seen = Replay(*(np.repeat(values, ticks, axis=0) for values in rest))

    def solve(self, price: float, *, capped: bool = True, tolerance: float = _FINE) -> _Solved:
        """The cheapest ways of all streams when each late unit costs `price` energies of a unit."""
        late_j, split, times_s = price * self._mean_j, self._split, self._times_s
        before, judged = [], []
        for place, one in enumerate(self._works):
            costs = self._costs(place, late_j, capped, tolerance)
            before.append(cheapest(one, State(0, 0.0), times_s[: split + 1], costs.of(slice(None, split))))
            judged.append(cheapest(one, before[-1].end, times_s[split:], costs.of(slice(split, None))))
        return _Solved(before, judged, late_j)

    def enough(self, solved: _Solved) -> bool:
        """Whether a solution is late rarely enough, and near enough to the least."""
        far_j = solved.net_j - solved.least(self.allowed)
        return solved.late <= self.allowed and far_j <= _ENOUGH * self.energy_j

    def learn(self, solved: _Solved) -> None:
        """Take over a solution: what it draws, how warm it gets."""
        busy_w = np.zeros(self.points.shape)
        for stream, before, judged in zip(self._scenario.streams, solved.before, solved.judged, strict=True):
            self.points[:, stream.domain] = np.concatenate([before.points, judged.points])
            busy_w[:, stream.domain] = np.concatenate([before.busy_j, judged.busy_j]) / TICK_S
        self._look(busy_w)

    def gap_j(self, chosen: _Solved, free: Sequence[_Solved]) -> float:
        """How far above the least a solution may be, at the meter.

        Units that may be carried into the time judged count as if they had cost nothing. What is late more
        often than allowed is compared to what is late as often.

        Args:
            free: solutions without cap.
        """
        from_s = self._times_s[self._split]
        carried = sum(int(((one.arrival_s < from_s) & (one.due_s >= from_s)).sum()) for one in self._works)
        late = max(self.allowed, chosen.late)
        least = max(solved.least(late) for solved in free)
        return max(chosen.net_j - least, 0.0) + carried * self._done_j()

    @property
    def energy_j(self) -> float:
        """At the meter, in the time judged."""
        return float(self._seen.meter_w[self._split :].sum()) * TICK_S

    def _look(self, busy_w: Array) -> None:
        self._seen = replay(self._board, self._scenario, self.points, busy_w, TICK_S)
        limits_c = np.array([part.limit_c for part in self._board.parts])
        self.too_hot = bool((self._seen.junction_c[self._split :] > limits_c).any())

    def _costs(self, place: int, late_j: float, capped: bool, tolerance: float) -> Costs:
        """Of a stream, in joules at the meter."""
        domain = self._scenario.streams[place].domain
        part, one = self._board.parts[domain], self._works[place]
        marginal = self._meter.marginal(self._seen.dc_w)
        warm = np.exp((self._seen.junction_c[:, domain] - part.leakage_at_c) / part.leakage_efold_k)
        hold_w = part.idle_w + np.outer(part.leakage_w * warm, part.leak_share)
        left_w = self._cap_w - (self._seen.dc_w - self._seen.part_w[:, domain])
        tick_j = float(one.energy_j.mean(axis=0).sum()) / len(marginal)
        return Costs(
            hold_j=hold_w * (marginal * TICK_S)[:, None],
            work_share=marginal,
            spare_j=left_w * TICK_S if capped else np.full(len(left_w), np.inf),
            over_share=_OVER,
            late_j=late_j,
            done_j=self._done_j(),
            tolerance_j=tolerance * tick_j,
        )

    def _done_j(self) -> float:
        """What a unit costs on average, everything else that the machine draws included."""
        units = sum(len(one.arrival_s) - 1 for one in self._works)
        return float(self._seen.meter_w.sum()) * TICK_S / max(units, 1)

    def _due(self, place: int) -> int:
        one = self._works[place]
        return int(((one.arrival_s >= self._scenario.learn_s) & np.isfinite(one.due_s)).sum())
