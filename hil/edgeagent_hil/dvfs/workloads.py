"""Workloads by name: what a board is given to do, and what happens to it meanwhile.

All are scaled to the board: service times are set at a place in its range of clocks, heat waves and caps by
what it would draw and how warm it would get.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import Final
from zlib import crc32

import numpy as np

from edgeagent_hil.dvfs import arrivals
from edgeagent_hil.dvfs.boards import Board
from edgeagent_hil.dvfs.curves import Curve, constant, steps
from edgeagent_hil.dvfs.scenario import Scenario, Stream
from edgeagent_hil.dvfs.sizing import Steady, Unit, activity, cap_w, cool, late, steady, unit, worst
from edgeagent_hil.twin.units import Array
from edgeagent_sdk.errors import EdgeError
from edgeagent_sdk.plugins import nearest

#: Standard deviations of a unit's cycles and of its memory time, as shares; cut off at three of them.
_SPREAD: Final = 0.03

#: Share of the time at the highest clock that a unit waits for memory, and what a core draws meanwhile: about
#: 60 % of its dynamic power. Estimates.
_MEMORY: Final = 0.15
_STALLED: Final = 0.6

#: A camera: 30 frames a second, each to be done before the next.
_PERIOD_S: Final = 1 / 30

#: Share of the period that the mean frame takes at the clock it is made for: with three standard deviations
#: it is still in time.
_FILL: Final = 0.91

#: Requests: time for one at the highest clock, share of that clock's time that all of them take on average,
#: and the deadline as a multiple of that time.
_REQUEST_S: Final = 0.06
_LOAD: Final = 0.25
_PATIENCE: Final = 6.0

#: Days in a run; time of a request at the highest clock; load at its peak: a tenth more
#: than the lowest clock can do, within bounds as shares of what the highest can.
_DAYS: Final = 2
_DAY_REQUEST_S: Final = 0.04
_PEAK: Final = 1.1
_PEAK_MIN, _PEAK_MAX = 0.5, 0.65

#: Shares of the work that are tried, until the board can cool it and its highest clock would be late with no
#: more than so many requests.
_LATE: Final = 0.001
_SIZES: Final = (1.0, 0.8, 0.65, 0.5, 0.4, 0.3, 0.2, 0.1)

_AMBIENT_C: Final = 25.0
_ROOM, _CLEAN = constant(_AMBIENT_C), constant(0.0)

#: There is no hotter room and no thicker dust than these.
_AMBIENT_MAX_C: Final = 75.0
_FOULING_MAX: Final = 20.0


@dataclass(frozen=True)
class _Case:
    """What a workload is made of.

    Attributes:
        data: folder of recorded arrivals; None makes them up.
    """

    name: str
    board: Board
    duration_s: int
    seed: int
    data: Path | None

    def rng(self, what: str) -> np.random.Generator:
        """Randomness of its own for each part, so that one does not disturb the other."""
        return np.random.default_rng([self.seed, crc32(f"{self.name}.{what}".encode())])

    def scenario(self, *streams: Stream, note: str = "") -> Scenario:
        return Scenario(self.name, self.duration_s, streams, seed=self.seed, note=note)

    @property
    def origin(self) -> str:
        """Where the requests come from."""
        return f"requests: {arrivals.recorded(self.data)}" if self.data else "requests: made up (no --data)"

    def working(self, work: Steady, stream: Stream) -> Scenario:
        """The board has done `work` for hours, at the clock it needs."""
        return replace(self.scenario(stream), before=activity(self.board, work, work.needed))

    def stream(self, name: str, domain: int, unit: Unit, deadline_s: float, arrival_s: Array) -> Stream:
        """Units around the mean one."""
        rng = self.rng(name)

        def varied(mean: float) -> Array:
            spread = np.clip(rng.standard_normal(len(arrival_s)), -3.0, 3.0) * _SPREAD
            return np.asarray(mean * (1 + spread))

        return Stream(
            name=name,
            domain=domain,
            threads=self.board.parts[domain].cores,
            deadline_s=deadline_s,
            arrival_s=arrival_s,
            cycles=varied(unit.cycles),
            memory_s=varied(unit.memory_s),
            stalled=unit.stalled,
        )

    def ramp(self, low: float, high: float) -> Curve:
        """From `low` to `high` within the first half of the run."""
        return Curve((self.at(0.1), self.at(0.4)), (low, high))

    def at(self, share: float) -> int:
        """A whole second of the run."""
        return round(share * self.duration_s)


def _camera(case: _Case, pace: float) -> tuple[Stream, Steady]:
    """Frames on the foreground's domain, and what they are on average; smaller ones where the board could
    not cool what the pace asks for."""
    board, domain = case.board, case.board.foreground
    longest_s = (1 - 3 * _SPREAD) * _PERIOD_S

    def work(size: float) -> Steady:
        mean = unit(board.parts[domain], size * _FILL * _PERIOD_S, pace, _MEMORY, _STALLED)
        return steady(board, domain, mean, _PERIOD_S, longest_s)

    sizes = map(work, _SIZES)
    fitting = next((one for one in sizes if cool(board, one, one.needed, _AMBIENT_C)), work(_SIZES[-1]))
    arrival_s = arrivals.frames(_PERIOD_S, case.duration_s)
    return case.stream("camera", domain, fitting.unit, _PERIOD_S, arrival_s), fitting


def _requests(
    case: _Case, name: str, domain: int, service_s: float, load: float, arrive: Callable[[float], Array]
) -> Stream:
    """Requests; fewer where the board at its highest clock could not cool them, or not do them in time.

    Args:
        service_s: what one takes at the highest clock.
        load: share of that clock's time that all take; at its peak if it has one.
        arrive: arrivals by their rate in Hz.
    """
    board, part = case.board, case.board.parts[domain]
    mean = unit(part, service_s, 1.0, _MEMORY, _STALLED)
    for size in _SIZES:
        rate_hz = size * load / service_s
        stream = case.stream(name, domain, mean, _PATIENCE * service_s, arrive(rate_hz))
        work = steady(board, domain, mean, 1 / rate_hz, service_s)
        if late(stream, part.clock_hz[-1]) <= _LATE and cool(board, work, work.needed, _AMBIENT_C):
            break
    return stream


def _service(case: _Case, name: str, domain: int, load: float) -> Stream:
    """Requests as they came to a real service."""

    def arrive(rate_hz: float) -> Array:
        return arrivals.requests(rate_hz, case.duration_s, case.rng("arrivals"), case.data)

    return _requests(case, name, domain, _REQUEST_S, load, arrive)


def _periodic(case: _Case) -> Scenario:
    """A camera's frames, 30 a second, each to be done before the next comes."""
    stream, work = _camera(case, pace=0.35)
    return case.working(work, stream)


def _bursty(case: _Case) -> Scenario:
    """Requests as they came to a real service, with a deadline of six times their service time."""
    return case.scenario(_service(case, "requests", case.board.foreground, _LOAD), note=case.origin)


def _diurnal(case: _Case) -> Scenario:
    """Requests whose rate follows the day; two days are compressed to a run."""
    part = case.board.parts[case.board.foreground]
    mean = unit(part, _DAY_REQUEST_S, 1.0, _MEMORY, _STALLED)
    slowest = _PEAK * _DAY_REQUEST_S / mean.service_s(part.clock_hz[0])
    peak = min(max(slowest, _PEAK_MIN), _PEAK_MAX)

    def arrive(rate_hz: float) -> Array:
        return arrivals.daily(rate_hz, case.duration_s / _DAYS, case.duration_s, case.rng("arrivals"))

    return case.scenario(_requests(case, "service", case.board.foreground, _DAY_REQUEST_S, peak, arrive))


def _two(case: _Case) -> Scenario:
    """A camera on one domain, requests on another."""
    board = case.board
    requests = _service(case, "requests", board.background, 0.8 * _LOAD)
    return case.scenario(_camera(case, pace=0.35)[0], requests, note=case.origin)


def _ambient(case: _Case) -> Scenario:
    """A camera while the surroundings grow so hot that only thrift keeps the temperature limit."""
    return _weather(case, lambda hot_c: (case.ramp(_AMBIENT_C, hot_c), _CLEAN), _AMBIENT_C, _AMBIENT_MAX_C)


def _dust(case: _Case) -> Scenario:
    """A camera while dust takes away the cooling."""
    return _weather(case, lambda fouling: (_ROOM, case.ramp(0.0, fouling)), 0.0, _FOULING_MAX)


def _weather(
    case: _Case, weather: Callable[[float], tuple[Curve, Curve]], low: float, high: float
) -> Scenario:
    """A camera while it gets as bad as the board can just bear."""
    stream, work = _camera(case, pace=0.6)
    severity = worst(case.board, work, weather, case.duration_s, low, high)
    ambient_c, fouling = weather(severity)
    return replace(case.working(work, stream), ambient_c=ambient_c, fouling=fouling)


def _cap(case: _Case) -> Scenario:
    """A camera under a power cap that steps."""
    stream, work = _camera(case, pace=0.35)
    tight_w, loose_w = (cap_w(case.board, work, _AMBIENT_C, share) for share in (0.05, 0.4))
    levels = ((0.0, inf), (0.2, loose_w), (0.4, tight_w), (0.6, inf), (0.7, tight_w), (0.9, loose_w))
    cap = steps(*((case.at(share), level_w) for share, level_w in levels))
    return replace(case.working(work, stream), cap_w=cap)


def _memory(case: _Case) -> Scenario:
    """A camera whose frames, for a while, wait for memory most of the time."""
    stream, work = _camera(case, pace=0.35)
    bound = (stream.arrival_s >= case.at(0.4)) & (stream.arrival_s < case.at(0.7))
    stream = replace(
        stream,
        cycles=np.where(bound, 0.4 * stream.cycles, stream.cycles),
        memory_s=np.where(bound, 4.0 * stream.memory_s, stream.memory_s),
    )
    return case.working(work, stream)


_WORKLOADS: Final[dict[str, Callable[[_Case], Scenario]]] = {
    "periodic": _periodic,
    "bursty": _bursty,
    "diurnal": _diurnal,
    "two": _two,
    "ambient": _ambient,
    "dust": _dust,
    "cap": _cap,
    "memory": _memory,
}


def names() -> list[str]:
    """All workloads."""
    return list(_WORKLOADS)


def about(name: str) -> str:
    """One line on a workload."""
    return (_WORKLOADS[name].__doc__ or "").strip()


def check(name: str) -> None:
    """Raises EdgeError if there is no such workload."""
    if name not in _WORKLOADS:
        raise EdgeError(f"unknown workload {name!r}; {nearest(name, names())}")


def fits(name: str, board: Board) -> bool:
    """Whether the board can take it: two workloads at once want two domains."""
    return name != "two" or board.foreground != board.background


def scenario(
    name: str, board: Board, *, seed: int = 0, duration_s: int = 600, data: Path | None = None
) -> Scenario:
    """The workload called `name` on a board; equal arguments, equal future.

    Args:
        data: folder with ``llm_requests/``; without it arrivals of requests are made up.

    Raises:
        EdgeError: no such workload, it does not fit the board, or `data` does not hold what it should.
    """
    check(name)
    if not fits(name, board):
        raise EdgeError(f"{name}: {board.name!r} has one domain only, two workloads need one each")
    return _WORKLOADS[name](_Case(name, board, duration_s, seed, data))
