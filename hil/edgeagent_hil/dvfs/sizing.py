"""Work that fits a board: as much as a given clock can just do, whatever board it is.

So that a heat wave, dust or a cap matters on each of them, their size follows from the board's own physics.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Final, NamedTuple

from edgeagent_hil.dvfs.boards import Board, Part
from edgeagent_hil.dvfs.curves import Curve
from edgeagent_hil.dvfs.plant import Plant
from edgeagent_hil.dvfs.scenario import Activity, Stream

#: Steps in which a run's heat is looked ahead.
_STRIDES: Final = 100

#: Bad weather brings who just works fast enough so near to a limit: to this share of the way to it from who
#: works at the highest clock, and no nearer and no farther than so many kelvins.
_SHARE: Final = 0.4
_MARGIN_MIN_K: Final = 0.3
_MARGIN_K: Final = 2.5

#: What a board can do for ever leaves so many kelvins to its limits.
_COOL_K: Final = 3.0

#: So often the range of what may be the worst is halved.
_HALVINGS: Final = 12


class Unit(NamedTuple):
    """The mean unit of a stream.

    Args:
        stalled: as in `scenario.Stream`.
    """

    cycles: float
    memory_s: float
    stalled: float

    def service_s(self, clock_hz: float) -> float:
        """How long it takes."""
        return self.cycles / clock_hz + self.memory_s


class Steady(NamedTuple):
    """A domain that works on one unit in each period, for ever.

    Args:
        needed: the lowest operating point at which a unit takes no longer than `longest_s`.
    """

    domain: int
    threads: int
    unit: Unit
    period_s: float
    needed: int


def unit(part: Part, service_s: float, pace: float, memory: float, stalled: float) -> Unit:
    """A unit that takes `service_s` at a clock.

    Args:
        pace: where that clock lies, 0 for the lowest and 1 for the highest of the part.
        memory: share of the time at the highest clock during which it waits for memory.
    """
    low_hz, high_hz = part.clock_hz[0], part.clock_hz[-1]
    clock_hz = low_hz + pace * (high_hz - low_hz)
    per_cycle_s = memory / (1 - memory) / high_hz
    cycles = service_s / (1 / clock_hz + per_cycle_s)
    return Unit(cycles, cycles * per_cycle_s, stalled)


def steady(board: Board, domain: int, unit: Unit, period_s: float, longest_s: float) -> Steady:
    """One `unit` in each period on all cores of a domain."""
    part = board.parts[domain]
    enough = [k for k, hz in enumerate(part.clock_hz) if unit.service_s(hz) <= longest_s]
    return Steady(domain, part.cores, unit, period_s, enough[0] if enough else len(part.clock_hz) - 1)


def activity(board: Board, work: Steady, point: int) -> Activity:
    """`work` at an operating point, while all other domains rest."""
    count = len(board.parts)
    points, awake, active = [0] * count, [0.0] * count, [0.0] * count
    computing_s = work.unit.cycles / board.parts[work.domain].clock_hz[point]
    service_s = computing_s + work.unit.memory_s
    points[work.domain] = point
    awake[work.domain] = min(service_s / work.period_s, 1.0)
    drawn = (computing_s + work.unit.stalled * work.unit.memory_s) / service_s
    active[work.domain] = work.threads * awake[work.domain] * drawn
    return Activity(points, awake, active)


def cool(board: Board, work: Steady, point: int, ambient_c: float) -> bool:
    """Whether the board can do `work` at an operating point for ever."""
    plant = Plant(board, ambient_c, before=activity(board, work, point))
    return not plant.off and plant.over_k() < -_COOL_K


def late(stream: Stream, clock_hz: float) -> float:
    """Share of the units that are late even if the clock is always `clock_hz`."""
    end_s, count = 0.0, 0
    service_s = stream.cycles / clock_hz + stream.memory_s
    for arrived_s, takes_s in zip(stream.arrival_s.tolist(), service_s.tolist(), strict=True):
        end_s = max(end_s, arrived_s) + takes_s
        count += end_s - arrived_s > stream.deadline_s
    return count / max(len(service_s), 1)


def peak_k(
    board: Board, work: Steady, point: int, ambient_c: Curve, fouling: Curve, duration_s: int
) -> float:
    """By how much any temperature passes its limit, at most, if `work` is done at an operating point after
    hours at the one it needs; negative if none does."""
    doing = activity(board, work, point)
    before = activity(board, work, work.needed)
    plant = Plant(board, ambient_c.at(0.0), fouling.at(0.0), before)
    highest_k, stride_s = -inf, duration_s / _STRIDES
    for stride in range(1, _STRIDES + 1):
        plant.draw(doing, stride_s)
        plant.warm(ambient_c.at(stride * stride_s), fouling.at(stride * stride_s))
        highest_k = max(highest_k, plant.over_k())
    return highest_k


def worst(
    board: Board,
    work: Steady,
    weather: Callable[[float], tuple[Curve, Curve]],
    duration_s: int,
    low: float,
    high: float,
) -> float:
    """How bad the weather can get so that `work` at the clock it needs stays below the limits, and at the
    highest one does not: somewhat below the middle of the two, and no more than `_MARGIN_K` below.

    Args:
        weather: ambient temperature and fouling over time, by how bad it gets.
        low, high: the least and the most of that; they come out where no weather between them does it.
    """
    top = len(board.parts[work.domain].clock_hz) - 1

    def bearable(severity: float) -> bool:
        curves = weather(severity)
        thrifty_k = peak_k(board, work, work.needed, *curves, duration_s)
        if thrifty_k < -_MARGIN_K:
            return True
        if thrifty_k >= 0:
            return False
        hasty_k = peak_k(board, work, top, *curves, duration_s)
        return thrifty_k < -max(_SHARE * (hasty_k - thrifty_k), _MARGIN_MIN_K)

    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if bearable(middle) else (low, middle)
    return low


def cap_w(board: Board, work: Steady, ambient_c: float, share: float) -> float:
    """A cap between the least and the most that clocks which are fast enough would draw.

    Args:
        share: 0 for the least.
    """
    points = range(work.needed, len(board.parts[work.domain].clock_hz))
    plant = Plant(board, ambient_c)
    drawn_w = [plant.settle(activity(board, work, point), ambient_c) for point in points]
    least_w, most_w = min(drawn_w), max(drawn_w)
    return max(least_w + share * (most_w - least_w), least_w * 1.015)
