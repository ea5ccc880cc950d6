"""The cheapest way of a queue through a sequence of ticks: dynamic programming over (tick, progress).

A state of the queue is one number: how many units are done, and how much of the next. One state is as good
as another if it is as far and has cost no more: whoever is ahead is never busy when the other is idle, so
under the same clocks it needs no more energy from then on, and no unit ends later. So of the states that can
be reached at a tick only those are kept than which none is both further and cheaper.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from edgeagent_hil.dvfs.clairvoyant.work import Work, advance
from edgeagent_hil.twin.units import Array, Indices


class State(NamedTuple):
    """Of a queue: the unit in service or next, and the share of it that is done."""

    unit: int
    done: float


class Costs(NamedTuple):
    """What is paid.

    Attributes:
        hold_j: shape (ticks, k), for a point held in a tick, busy or not.
        work_share: shape (ticks,), what each joule of being busy counts.
        spare_j: shape (ticks,), energy for being busy and for holding that a tick may take; beyond it each
            joule counts `over_share`.
        over_share: as many joules.
        late_j: for each unit that is not done in time.
        done_j: earned by each unit that is done at the end.
        tolerance_j: so much may be wasted in a tick to keep fewer states.
    """

    hold_j: Array
    work_share: Array
    spare_j: Array
    over_share: float
    late_j: float
    done_j: float
    tolerance_j: float

    def of(self, ticks: slice) -> Costs:
        """Of some of the ticks."""
        return self._replace(
            hold_j=self.hold_j[ticks], work_share=self.work_share[ticks], spare_j=self.spare_j[ticks]
        )


class Way(NamedTuple):
    """The cheapest way.

    Attributes:
        points: shape (ticks,).
        busy_j: shape (ticks,), for being busy.
        end: the state after the last tick.
        late: units that were not done in time.
        net_j: what energy costs, less what is earned.
        cost: the same with lateness and what lies above the spare energy.
        wasted: by how much the cost may lie above the least.
    """

    points: Indices
    busy_j: Array
    end: State
    late: int
    net_j: float
    cost: float
    wasted: float


class _Step(NamedTuple):
    """What is kept of a tick, to go back along the way."""

    parent: Indices
    point: Indices
    busy_j: Array
    late: Indices


def cheapest(work: Work, start: State, times_s: Array, costs: Costs) -> Way:
    """The cheapest way from `start` through the ticks between `times_s` (shape (ticks + 1,))."""
    unit, done, cost = np.array([start.unit]), np.array([start.done]), np.zeros(1)
    steps: list[_Step] = []
    wasted = 0.0
    for tick, (from_s, to_s) in enumerate(pairwise(times_s.tolist())):
        moves = advance(work, unit, done, from_s, to_s)
        hold_j = costs.hold_j[tick][:, None]
        over_j = np.maximum(moves.energy_j + hold_j - costs.spare_j[tick], 0.0)
        paid = cost + hold_j + moves.energy_j * costs.work_share[tick]
        paid += over_j * costs.over_share + moves.late * costs.late_j
        kept, waste = _best(moves.unit.ravel(), moves.done.ravel(), paid.ravel(), costs.tolerance_j)
        wasted += waste
        point, parent = np.divmod(kept, len(unit))
        steps.append(_Step(parent, point, moves.energy_j.ravel()[kept], moves.late.ravel()[kept]))
        unit, done, cost = moves.unit.ravel()[kept], moves.done.ravel()[kept], paid.ravel()[kept]
    last = int(np.argmin(cost - costs.done_j * unit))
    end = State(int(unit[last]), float(done[last]))
    earned_j = costs.done_j * (end.unit - start.unit)
    points, busy_j, late = _back(steps, last)
    paid_j = costs.hold_j[np.arange(len(points)), points] + busy_j * costs.work_share
    return Way(
        points, busy_j, end, late, float(paid_j.sum()) - earned_j, float(cost[last]) - earned_j, wasted
    )


def _best(unit: Indices, done: Array, cost: Array, tolerance_j: float) -> tuple[Indices, float]:
    """Indices of the states to keep, furthest first; and what leaving others out may cost."""
    order = np.lexsort((cost, -done, -unit))
    sorted_cost = cost[order]
    least = np.minimum.accumulate(sorted_cost)
    cheaper = np.ones(len(order), bool)
    cheaper[1:] = sorted_cost[1:] < least[:-1]
    order, sorted_cost = order[cheaper], sorted_cost[cheaper]
    if len(order) <= _FEW:
        return order, 0.0
    bucket_j = max(tolerance_j, (sorted_cost[0] - sorted_cost[-1]) / _MANY)
    bucket = np.floor(sorted_cost / bucket_j)
    first = np.ones(len(order), bool)
    first[1:] = bucket[1:] != bucket[:-1]
    return order[first], bucket_j


#: So many states are kept in any case, and so many at most.
_FEW, _MANY = 48, 300


def _back(steps: list[_Step], last: int) -> tuple[Indices, Array, int]:
    points, busy_j, late = [], [], 0
    for step in reversed(steps):
        points.append(int(step.point[last]))
        busy_j.append(float(step.busy_j[last]))
        late += int(step.late[last])
        last = int(step.parent[last])
    return np.array(points[::-1], np.intp), np.array(busy_j[::-1]), late
