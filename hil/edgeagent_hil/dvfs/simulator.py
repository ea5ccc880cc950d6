"""One run: a governor, a board and a scenario in virtual time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isfinite
from time import thread_time_ns

from edgeagent_hil.dvfs.boards import Board
from edgeagent_hil.dvfs.plant import Plant
from edgeagent_hil.dvfs.queueing import Queue
from edgeagent_hil.dvfs.scenario import Activity, Scenario
from edgeagent_hil.dvfs.sensors import Sensors
from edgeagent_hil.twin.kinds import CASE
from edgeagent_sdk.errors import EdgeError
from edgeagent_sdk.governor import Decision, DomainState, Governor, Observation

#: Time is counted in microseconds, so that steps of any length meet without a rest.
_US = 1_000_000
_WARM_US = 100_000
_TICK_MIN_S = 0.001


@dataclass
class Second:
    """What happened in one second.

    Attributes:
        power_w: mean at the meter, without its errors.
        cap_w: mean.
        clock_hz, junction_c: by part; the mean, and the highest.
        over_k: by how much the temperature nearest to its limit was above it at most; negative below.
        switches: changes of operating points.
    """

    power_w: float
    cap_w: float
    clock_hz: tuple[float, ...]
    junction_c: tuple[float, ...]
    over_k: float
    switches: int


@dataclass
class Run:
    """What a run has left behind.

    Attributes:
        seconds: one entry for each, until the end.
        ended_s: by stream and unit: when it was done, NaN for never.
        busy_s: by stream: how long it was worked on.
        off_s: when the machine switched itself off for its heat, which ended the run.
        decide_ns: CPU time that each decision took, on this computer.
    """

    board: Board
    scenario: Scenario
    seconds: list[Second] = field(default_factory=list)
    ended_s: list[list[float]] = field(default_factory=list)
    busy_s: list[float] = field(default_factory=list)
    off_s: float | None = None
    decide_ns: list[int] = field(default_factory=list, repr=False)


def run(board: Board, scenario: Scenario, governor: Governor) -> Run:
    """Let `governor` set the clocks of `board` while `scenario` happens.

    The board starts at its lowest clocks; the first decision is made at 0 s.

    Raises:
        EdgeError: a decision that does not name a clock for each domain, or a scenario that does not fit.
    """
    return _Simulation(board, scenario, governor).run()


class _Sums:
    """What has come together since the last tick, or the last whole second."""

    def __init__(self, parts: int) -> None:
        self.time_s = self.energy_j = 0.0
        self.part_j, self.cycles, self.busy_s = [0.0] * parts, [0.0] * parts, [0.0] * parts

    def add(
        self,
        dt_s: float,
        power_w: float,
        parts_w: Sequence[float],
        clocks_hz: Sequence[float],
        awake: Sequence[float],
    ) -> None:
        self.time_s += dt_s
        self.energy_j += power_w * dt_s
        for i, part_w in enumerate(parts_w):
            self.part_j[i] += part_w * dt_s
            self.cycles[i] += clocks_hz[i] * dt_s
            self.busy_s[i] += awake[i] * dt_s


class _Simulation:
    def __init__(self, board: Board, scenario: Scenario, governor: Governor) -> None:
        _check(board, scenario)
        self._board, self._scenario, self._governor = board, scenario, governor
        self._parts = board.parts
        self._plant = Plant(board, scenario.ambient_c.at(0.0), scenario.fouling.at(0.0), scenario.before)
        self._sensors = Sensors(scenario)
        self._queues = [Queue(stream, board.parts[stream.domain].name) for stream in scenario.streams]
        count = len(board.parts)
        self._points = [0] * count
        self._wanted = [0] * count
        self._clocks_hz = [part.clock_hz[0] for part in board.parts]
        self._held = [False] * count
        self._core_share = [0.0] * count
        for stream in scenario.streams:
            self._core_share[stream.domain] = stream.threads / board.parts[stream.domain].cores
        self._tick, self._second = _Sums(count), _Sums(count)
        self._hottest_c = list(self._plant.junction_c)
        self._over_k = self._plant.over_k()
        self._switches = 0
        self._run = Run(board, scenario, busy_s=[0.0] * len(self._queues))

    def run(self) -> Run:
        now = tick_at = warm_at = 0
        end, plant = self._scenario.duration_s * _US, self._plant
        warm_at = _WARM_US
        while now < end and not plant.off:
            if now == tick_at:
                self._decide(now / _US)
                tick_at = now + round(max(self._governor.tick_s, _TICK_MIN_S) * _US)
            until = min(tick_at, warm_at)
            self._advance(now / _US, until / _US)
            if until == warm_at:
                self._warm(until / _US)
                warm_at += _WARM_US
            if until % _US == 0:
                self._close(until / _US)
            now = until
        self._run.off_s = now / _US if plant.off else None
        self._run.ended_s = [queue.ended_s for queue in self._queues]
        return self._run

    def _advance(self, from_s: float, to_s: float) -> None:
        """Time in which all clocks stand still."""
        dt_s = to_s - from_s
        awake, active = [0.0] * len(self._parts), [0.0] * len(self._parts)
        for i, queue in enumerate(self._queues):
            domain = queue.stream.domain
            busy_s, active_s = queue.serve(from_s, to_s, self._clocks_hz[domain])
            awake[domain] = busy_s / dt_s
            active[domain] = queue.stream.threads * active_s / dt_s
            self._run.busy_s[i] += busy_s
        power_w, parts_w = self._plant.draw(Activity(self._points, awake, active), dt_s)
        self._tick.add(dt_s, power_w, parts_w, self._clocks_hz, awake)
        self._second.add(dt_s, power_w, parts_w, self._clocks_hz, awake)

    def _warm(self, now_s: float) -> None:
        scenario, plant = self._scenario, self._plant
        plant.warm(scenario.ambient_c.at(now_s), scenario.fouling.at(now_s))
        self._hottest_c = list(map(max, self._hottest_c, plant.junction_c))
        self._over_k = max(self._over_k, plant.over_k())
        for i, part in enumerate(self._parts):
            hot_c = part.limit_c if self._held[i] else part.critical_c
            self._held[i] = plant.junction_c[i] >= hot_c
        self._apply()

    def _decide(self, now_s: float) -> None:
        seen = self._observe(now_s)
        began_ns = thread_time_ns()
        decision = self._governor.decide(seen)
        self._run.decide_ns.append(thread_time_ns() - began_ns)
        self._wanted = self._chosen(decision)
        self._apply()

    def _observe(self, now_s: float) -> Observation:
        sums, sensors, plant = self._tick, self._sensors, self._plant
        self._tick = _Sums(len(self._parts))
        dt_s = sums.time_s
        states = []
        for i, part in enumerate(self._parts):
            read_w = sensors.power_w(sums.part_j[i] / dt_s, now_s) if dt_s and part.metered else None
            states.append(
                DomainState(
                    clock_hz=sums.cycles[i] / dt_s if dt_s else self._clocks_hz[i],
                    busy=self._core_share[i] * sums.busy_s[i] / dt_s if dt_s else 0.0,
                    temperature_c=sensors.temperature_c(plant.junction_c[i], now_s, part.name),
                    power_w=read_w,
                )
            )
        temperatures_c = {}
        if CASE in self._board.machine.limits_c:
            case_c = sensors.temperature_c(plant.case_c, now_s, CASE)
            temperatures_c = {} if case_c is None else {CASE: case_c}
        return Observation(
            time_s=now_s,
            domains=tuple(states),
            power_w=sensors.power_w(sums.energy_j / dt_s, now_s) if dt_s else None,
            cap_w=self._scenario.cap_w.at(now_s),
            temperatures_c=temperatures_c,
            sessions=tuple(queue.tell(now_s) for queue in self._queues),
        )

    def _chosen(self, decision: Decision) -> list[int]:
        clocks_hz = decision.clock_hz
        if len(clocks_hz) != len(self._parts) or not all(map(isfinite, clocks_hz)):
            raise EdgeError(f"{type(self._governor).__name__}: {clocks_hz!r} names no clock for each domain")
        return [part.point(hz) for part, hz in zip(self._parts, clocks_hz, strict=True)]

    def _apply(self) -> None:
        """Set the clocks that are wanted; what is too hot falls to its lowest by itself."""
        points = [0 if held else k for held, k in zip(self._held, self._wanted, strict=True)]
        if points != self._points:
            self._switches += sum(map(int.__ne__, points, self._points))
            self._points = points
            self._clocks_hz = [part.clock_hz[k] for part, k in zip(self._parts, points, strict=True)]

    def _close(self, now_s: float) -> None:
        """A second is over."""
        sums, self._second = self._second, _Sums(len(self._parts))
        self._run.seconds.append(
            Second(
                power_w=sums.energy_j / sums.time_s,
                cap_w=self._scenario.cap_w.at(now_s - 0.5),
                clock_hz=tuple(cycles / sums.time_s for cycles in sums.cycles),
                junction_c=tuple(self._hottest_c),
                over_k=self._over_k,
                switches=self._switches,
            )
        )
        self._hottest_c, self._over_k = list(self._plant.junction_c), self._plant.over_k()
        self._switches = 0


def _check(board: Board, scenario: Scenario) -> None:
    """A domain serves one stream, with no more threads than it has cores. Raises EdgeError."""
    taken = Counter(stream.domain for stream in scenario.streams)
    for stream in scenario.streams:
        part = board.parts[stream.domain]
        if taken[stream.domain] > 1:
            raise EdgeError(f"{scenario.name}: more than one stream works on {part.name!r} of {board.name!r}")
        if stream.threads > part.cores:
            raise EdgeError(
                f"{scenario.name}: {stream.threads} threads on the {part.cores} cores of {part.name!r}"
            )
