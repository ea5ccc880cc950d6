"""A machine of a few lines: enough physics to close the loop around a governor."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from math import exp, inf

from edgeagent_sdk.governor import (
    Decision,
    Domain,
    DomainState,
    Governor,
    Machine,
    Observation,
    Session,
    Unit,
)

TICK_S = 0.1


@dataclass
class Toy:
    """One domain, one session with a unit in each period, one thermal mass, a meter of the whole machine.

    A unit takes ``cycles/f + memory_s``; the domain draws ``a·f·V²`` while busy, and it leaks.
    """

    opps_hz: tuple[float, ...] = (0.5e9, 0.8e9, 1.1e9, 1.4e9, 1.7e9, 2.0e9)
    cycles: float = 20e6
    memory_s: float = 0.004
    period_s: float = 0.05
    limit_c: float = 85.0
    ambient_c: float = 25.0
    resistance_k_per_w: float = 8.0
    tau_s: float = 8.0
    busy_w: float = 4.0
    rest_w: float = 2.0
    seed: int = 0
    power: bool = True
    cap_w: float = inf
    ceiling_hz: float = inf
    sensor: bool = True
    time_s: float = 0.0
    hottest_c: float = -inf
    drawn_w: list[float] = field(default_factory=list)
    clocks_hz: list[float] = field(default_factory=list)
    late: int = 0
    units: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.machine = Machine((Domain("cpu", self.opps_hz, 1, self.limit_c),))
        self.temperature_c = self.ambient_c + 10.0
        self.clock_hz = self.opps_hz[0]
        self.decision = Decision((self.clock_hz,))
        self._next_s = 0.0
        self._waiting: list[float] = []
        self._left = 0.0
        self._started_s = 0.0
        self._state = DomainState(self.clock_hz, 0.0, self.temperature_c if self.sensor else None)
        self._session = Session("camera", ("cpu",), self.period_s)
        self._power_w: float | None = None

    def run(self, governor: Governor, seconds: float) -> None:
        """Let it go on under a governor."""
        for _ in range(round(seconds / TICK_S)):
            seen = Observation(
                self.time_s,
                (self._state._replace(ceiling_hz=self.ceiling_hz),),
                self._power_w if self.power else None,
                self.cap_w,
                {},
                (self._session,),
            )
            decision = governor.decide(seen)
            self.clock_hz = decision.clock_hz[0]
            self.clocks_hz.append(self.clock_hz)
            self.decision = decision
            self._tick()

    def _tick(self) -> None:
        begin_s, end_s = self.time_s, self.time_s + TICK_S
        now_s, busy_s, done = begin_s, 0.0, []
        while True:
            while self._next_s <= now_s:
                self._waiting.append(self._next_s)
                self._next_s += self.period_s
            if not self._waiting:
                now_s = self._next_s
                if now_s >= end_s:
                    break
                continue
            if self._left <= 0:
                self._left, self._started_s = 1.0, now_s
            unit_s = self.cycles / self.clock_hz + self.memory_s
            ready_s = now_s + self._left * unit_s
            if ready_s > end_s:
                self._left -= (end_s - now_s) / unit_s
                busy_s += end_s - now_s
                break
            busy_s += ready_s - now_s
            latency_s = ready_s - self._waiting.pop(0)
            done.append(Unit(ready_s, ready_s - self._started_s, latency_s))
            self.units += 1
            self.late += latency_s > self.period_s
            now_s, self._left = ready_s, 0.0
        u, busy = self.clock_hz / self.opps_hz[-1], busy_s / TICK_S
        volt2 = (0.6 + 0.4 * u) ** 2
        leak_w = 0.3 * volt2 * exp((self.temperature_c - 60.0) / 30.0)
        chip_w = self.busy_w * busy * u * volt2 + leak_w
        self.drawn_w.append(self.rest_w + chip_w)
        target_c = self.ambient_c + self.resistance_k_per_w * chip_w
        self.temperature_c += (target_c - self.temperature_c) * (1 - exp(-TICK_S / self.tau_s))
        self.hottest_c = max(self.hottest_c, self.temperature_c)
        self.time_s = end_s
        seen_c = round(self.temperature_c, 1) if self.sensor else None
        self._power_w = self.drawn_w[-1] * (1 + 0.002 * self.random.gauss(0, 1))
        self._state = DomainState(self.clock_hz, busy, seen_c)
        pending = tuple(end_s - arrived_s for arrived_s in self._waiting)
        running = end_s - self._started_s if self._left > 0 else None
        self._session = Session("camera", ("cpu",), self.period_s, tuple(done), pending, running)
