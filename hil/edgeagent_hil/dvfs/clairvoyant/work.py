"""What each unit of a stream costs at each operating point, and how far a queue gets in a tick."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import NamedTuple

import numpy as np

from edgeagent_hil.dvfs.boards import Part
from edgeagent_hil.dvfs.scenario import Stream
from edgeagent_hil.twin.units import Array, Indices

#: Deadlines are kept by this much more than needed: sums here are rounded otherwise than in the simulator.
_CLOSE_S = 1e-7

#: A unit is never quite done before its end.
_ALMOST = 1 - 1e-12


@dataclass(frozen=True, eq=False)
class Work:
    """The n units of one stream on one part with k operating points.

    A last unit that never comes stands behind them, so n + 1 below.

    Attributes:
        arrival_s, due_s: shape (n + 1,); the latter infinite where no deadline is judged.
        service_s, energy_j: shape (k, n + 1), of a whole unit; the energy is what the part draws for being
            busy, beyond what it draws idle at the same point.
        before_s, before_j: shape (k, n + 1), of all units before.
        most: shape (n + 1,), so many units can end in a tick, the first of them begun before it.
    """

    arrival_s: Array
    due_s: Array
    service_s: Array
    energy_j: Array
    before_s: Array
    before_j: Array
    most: Indices


class Moves(NamedTuple):
    """Where l states of a queue get in one tick at each of k points; shape (k, l).

    Attributes:
        unit, done: the unit in service or next, and the share of it that is done.
        energy_j: for being busy.
        late: units that were due in the tick and not done in time.
    """

    unit: Indices
    done: Array
    energy_j: Array
    late: Indices


def work(stream: Stream, part: Part, to_s: float, tick_s: float) -> Work:
    """The units of a stream, for ticks of `tick_s`; deadlines count that end by `to_s`."""
    clock_hz, core_w = np.array(part.clock_hz)[:, None], np.array(part.core_w)[:, None]
    computing_s = stream.cycles / clock_hz
    service_s = computing_s + stream.memory_s
    active_s = stream.threads * (computing_s + stream.stalled * stream.memory_s)
    energy_j = core_w * active_s + part.awake_w * service_s
    due_s = stream.arrival_s + stream.deadline_s
    return Work(
        arrival_s=np.append(stream.arrival_s, inf),
        due_s=np.append(np.where(due_s <= to_s, due_s - _CLOSE_S, inf), inf),
        service_s=_and_one(service_s, 1.0),
        energy_j=_and_one(energy_j, 0.0),
        before_s=_before(service_s),
        before_j=_before(energy_j),
        most=_most(_before(service_s[-1:])[0], tick_s),
    )


def advance(work: Work, unit: Indices, done: Array, from_s: float, to_s: float) -> Moves:
    """From each state on, work through one tick at each point.

    A unit starts when it has arrived and the one before it has ended. With S the service time of all before,
    unit u ends at ``S[u + 1] + max(arrival[v] − S[v] for all v ≤ u)``: Lindley's recursion, unrolled.

    Args:
        unit, done: shape (l,).
    """
    last = len(work.arrival_s) - 1
    arrived = int(np.searchsorted(work.arrival_s, to_s))
    width = max(int(min(arrived - unit.min(), work.most[unit].max())), 0) + 1
    places = np.minimum(unit[:, None] + np.arange(width), last)
    arrival_s, service_s = work.arrival_s[places], work.service_s[:, places]
    begin_s = work.before_s[:, places]
    begin_s[..., 0] += done * service_s[..., 0]
    waited_s = arrival_s - begin_s
    waited_s[..., 0] = np.maximum(arrival_s[:, 0], from_s) - begin_s[..., 0]
    np.maximum.accumulate(waited_s, axis=-1, out=waited_s)
    start_s = begin_s + waited_s
    end_s = start_s + service_s
    end_s[..., 0] -= done * service_s[..., 0]
    ended = end_s <= to_s
    count = ended.sum(axis=-1)
    due_s = work.due_s[places]
    late = (ended & (end_s > due_s) & (due_s > from_s)).sum(axis=-1)
    at = np.arange(len(service_s))[:, None], np.arange(len(unit)), np.minimum(count, width - 1)
    share = np.maximum(to_s - start_s[at], 0.0) / service_s[at]
    reached = np.minimum(unit + count, last)
    overdue, overdue_then = np.searchsorted(work.due_s, (from_s, to_s), side="right")
    late += np.maximum(overdue_then - np.maximum(reached, overdue), 0)
    done_then = np.minimum(np.where(count == 0, done + share, share), _ALMOST)
    return Moves(reached, done_then, _spent_j(work, reached, done_then) - _spent_j(work, unit, done), late)


def _spent_j(work: Work, unit: Indices, done: Array) -> Array:
    """Energy for all work up to a state, had it all been done at each point."""
    points = np.arange(len(work.before_j))[:, None]
    spent: Array = work.before_j[points, unit] + done * work.energy_j[points, unit]
    return spent


def _most(before_s: Array, tick_s: float) -> Indices:
    """From the service times before each unit, at the highest clock."""
    after_s = np.append(before_s[1:], before_s[-1])
    most: Indices = np.searchsorted(before_s, after_s + tick_s, side="right") - np.arange(len(before_s))
    return most


def _and_one(values: Array, last: float) -> Array:
    return np.concatenate([values, np.full((len(values), 1), last)], axis=1)


def _before(values: Array) -> Array:
    return np.concatenate([np.zeros((len(values), 1)), np.cumsum(values, axis=1)], axis=1)
