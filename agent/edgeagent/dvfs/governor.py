"""The governor `edge`: sees, learns, and takes the clocks that cost least.

Each tick it brings what it knows up to date (`tracker`, `meters`, `heat`), lays out what each operating point
would cost and come to, and searches for the cheapest that keeps every session's deadline at its quantile,
every temperature limit over the next 30 s, and the cap. README.md has the method.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any, Final, NamedTuple

from edgeagent.dvfs.explore import Explorer
from edgeagent.dvfs.heat import Heat
from edgeagent.dvfs.meters import Curves, Load, Meters
from edgeagent.dvfs.power import warmth
from edgeagent.dvfs.quantile import Quantile
from edgeagent.dvfs.search import Limit, cheapest
from edgeagent.dvfs.tracker import History, Tracker
from edgeagent_sdk.governor import Decision, Domain, Machine, Observation, Session

TICK_S: Final = 0.1

#: How far ahead temperatures are held below their limits, s.
HORIZONS_S: Final = (0.15, 3.0, 30.0)

#: A domain without sessions shall be busy for no more than this share (as schedutil: 1 / 1.25).
_BUSY_MOST: Final = 0.8

#: Operating points of a domain that are compared at most.
_POINTS: Final = 24

#: A change must save this share of the machine's power.
_WORTH: Final = 0.002

#: Exploration keeps this share of every bound free.
_ROOM: Final = 0.05

#: Sessions that have said nothing for so long are forgotten.
_SILENT_S: Final = 600.0


class _Domain:
    """What the governor knows of one domain."""

    def __init__(self, domain: Domain) -> None:
        self.domain = domain
        highest_hz = domain.opps_hz[-1]
        self.us = [hz / highest_hz for hz in domain.opps_hz]
        self.slowness = [highest_hz / hz for hz in domain.opps_hz]
        self.heat = Heat()
        self.needed_hz = 0.0
        self.busy_for_work = 1.0 / domain.cores
        self.busy_besides = 0.0
        self._work2 = 1.0
        self._busy_work = 1.0 / domain.cores

    def point(self, clock_hz: float) -> int:
        """The operating point at a mean clock; -1 if it is a mixture of several."""
        opps_hz = self.domain.opps_hz
        nearest = min(range(len(opps_hz)), key=lambda k: abs(opps_hz[k] - clock_hz))
        return nearest if abs(opps_hz[nearest] - clock_hz) <= 0.01 * clock_hz else -1

    def allowed(self, ceiling_hz: float) -> int:
        """How many of its points a ceiling leaves, from below; one at least."""
        return max(1, sum(hz <= ceiling_hz * (1 + 1e-9) for hz in self.domain.opps_hz))

    def learn_busy(self, busy: float, work_share: float, clock_hz: float, elapsed_s: float) -> None:
        """How much of it the work of sessions keeps busy, and what else runs there."""
        if work_share > 0.02:
            keep = max(0.0, 1.0 - elapsed_s / 10.0)
            self._work2 = keep * self._work2 + work_share**2
            self._busy_work = keep * self._busy_work + busy * work_share
            self.busy_for_work = self._busy_work / self._work2
        besides = max(0.0, busy - self.busy_for_work * work_share)
        gain = min(1.0, elapsed_s / 3.0)
        self.busy_besides += gain * (besides - self.busy_besides)
        demand_hz = clock_hz * besides
        fall = min(1.0, elapsed_s / 1.0)
        self.needed_hz = max(demand_hz, self.needed_hz + fall * (demand_hz - self.needed_hz))


class _Options(NamedTuple):
    """What each operating point of each domain comes to; by domain, then by point."""

    cost_w: list[list[float]]
    mean_w: list[list[float]]
    most_w: list[list[float]]
    rest_w: float


class EdgeGovernor:
    """See `edgeagent_sdk.governor.Governor`.

    Args:
        machine: its domains and their limits; everything else is learned.
    """

    tick_s = TICK_S

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._names = {domain.name: d for d, domain in enumerate(machine.domains)}
        self._domains = [_Domain(domain) for domain in machine.domains]
        self._places = {name: Heat(own=False) for name in machine.limits_c}
        self._meters: Meters | None = None
        self._trackers: dict[str, Tracker] = {}
        self._history = History()
        self._explorer = Explorer([len(domain.opps_hz) for domain in machine.domains])
        self._last_s: float | None = None
        self._tick_s = TICK_S
        self._choice: tuple[int, ...] | None = None
        self._loads: list[Load] = []
        self._seconds = Quantile(120, spread=0.005)
        self._second: list[tuple[float, float]] = []
        self._expected_w = 0.0
        self._memory: dict[str, Any] = {}

    def decide(self, seen: Observation) -> Decision:
        """The clocks from now on."""
        self._learn(seen)
        return self._decide(seen)

    # What was

    def _learn(self, seen: Observation) -> None:
        elapsed_s = 0.0 if self._last_s is None else seen.time_s - self._last_s
        from_s, self._last_s = seen.time_s - elapsed_s, seen.time_s
        if self._meters is None:
            self._meters = Meters([state.power_w is not None for state in seen.domains])
        if elapsed_s > 0:
            self._tick_s += 0.1 * (min(elapsed_s, 2.0) - self._tick_s)
        slowness = tuple(
            domain.slowness[0] if state.clock_hz <= 0 else domain.domain.opps_hz[-1] / state.clock_hz
            for domain, state in zip(self._domains, seen.domains, strict=True)
        )
        if elapsed_s > 0:
            self._history.add(from_s, seen.time_s, slowness)
        for session in seen.sessions:
            self._tracker(session).learn(session, self._history, from_s, seen.time_s, self._tick_s)
        for name in [n for n, t in self._trackers.items() if t.seen_s < seen.time_s - _SILENT_S]:
            del self._trackers[name]
        self._loads = [
            self._load(d, state.clock_hz, state.busy, state.temperature_c, state.power_w, slowness)
            for d, state in enumerate(seen.domains)
        ]
        if elapsed_s <= 0:
            return
        for d, state in enumerate(seen.domains):
            share = min(1.0, sum(t.work_share for t in self._active(seen) if d in t.domains))
            self._domains[d].learn_busy(state.busy, share, state.clock_hz, elapsed_s)
            self._explorer.seen(d, self._loads[d].point, elapsed_s)
        self._learn_power(seen, elapsed_s)

    def _learn_power(self, seen: Observation, elapsed_s: float) -> None:
        meters = self._meters
        assert meters is not None
        meters.learn(self._loads, seen.power_w)
        own_w = [meters.own_w(d, load) for d, load in enumerate(self._loads)]
        whole_w = seen.power_w if seen.power_w is not None else sum(own_w)
        for domain, state, watts in zip(self._domains, seen.domains, own_w, strict=True):
            domain.heat.learn(watts, whole_w, state.temperature_c, elapsed_s)
        for name, heat in self._places.items():
            heat.learn(0.0, whole_w, seen.temperatures_c.get(name), elapsed_s)
        if self._expected_w > 0 and seen.power_w is not None:
            self._second.append((seen.power_w, self._expected_w))
            if len(self._second) * elapsed_s >= 0.95:
                measured_w, expected_w = (sum(column) for column in zip(*self._second, strict=True))
                self._seconds.add(measured_w / expected_w)
                self._second.clear()

    def _load(
        self,
        d: int,
        clock_hz: float,
        busy: float,
        temperature_c: float | None,
        power_w: float | None,
        slowness: Sequence[float],
    ) -> Load:
        domain = self._domains[d]
        if temperature_c is None:
            temperature_c = domain.heat.now_c if domain.heat.now_c is not None else 60.0
        stalled = max((t.pace.stalled(t.own(slowness)) for t in self._on(d)), default=0.0)
        u = clock_hz / domain.domain.opps_hz[-1]
        return Load(u, domain.point(clock_hz), busy, stalled, warmth(temperature_c), power_w)

    def _tracker(self, session: Session) -> Tracker:
        tracker = self._trackers.get(session.name)
        known = tuple(self._names[name] for name in session.domains if name in self._names)
        domains = known or tuple(range(len(self._domains)))
        if tracker is None or tracker.domains != domains:
            tracker = self._trackers[session.name] = Tracker(session, domains)
        return tracker

    def _on(self, d: int) -> list[Tracker]:
        return [t for t in self._trackers.values() if d in t.domains and t.pace.known]

    def _active(self, seen: Observation) -> list[Tracker]:
        return [self._trackers[session.name] for session in seen.sessions]

    # What shall be

    def _decide(self, seen: Observation) -> Decision:
        counts = [
            domain.allowed(state.ceiling_hz)
            for domain, state in zip(self._domains, seen.domains, strict=True)
        ]
        active = self._active(seen)
        options = self._options(seen, active, counts)
        deadlines = self._deadlines(seen, active, counts)
        hard = [*self._heats(options), *self._caps(seen, options)]
        demands = self._demands(counts)
        choice, why = self._choose(options, demands + deadlines, hard, counts)
        if choice != self._choice and self._choice is not None:
            choice = self._stay(choice, options, demands + deadlines + hard)
        best = choice
        choice = self._explore(best, options, demands + deadlines + hard, seen)
        if choice != best:
            why = "visits an operating point to measure it"
        self._choice = best
        return self._told(choice, why, options, active, seen)

    def _options(self, seen: Observation, active: Sequence[Tracker], counts: Sequence[int]) -> _Options:
        meters = self._meters
        assert meters is not None
        cost_w, mean_w, most_w = [], [], []
        for d, domain in enumerate(self._domains):
            count = counts[d]
            times = [(t, self._times(t, d, count)) for t in active if d in t.domains and t.pace.known]
            stalled = [0.0] * count
            for t, unit_s in times:
                memory_s = t.pace.theta[-1]
                stalled = [
                    max(s, memory_s / u_s) if u_s > 0 else s for s, u_s in zip(stalled, unit_s, strict=True)
                ]
            curves = meters.curves(d, domain.us[:count], stalled, self._loads[d].warm)
            costs, means, mosts = self._domain_options(domain, curves, times, seen.time_s)
            cost_w.append(costs)
            mean_w.append(means)
            most_w.append(mosts)
        return _Options(cost_w, mean_w, most_w, meters.rest_w(self._loads))

    def _times(self, tracker: Tracker, d: int, count: int) -> list[float]:
        """A typical unit's time at each point of a domain, the session's others as they are."""
        now = [
            domain.slowness[k] if k >= 0 else 1.0 / max(load.u, 1e-3)
            for domain, load, k in zip(
                self._domains, self._loads, self._choice or [l.point for l in self._loads], strict=True
            )
        ]
        whole_s = tracker.time_s(now)
        index = tracker.domains.index(d)
        cycles_s = tracker.pace.theta[index]
        besides_s = whole_s - cycles_s * now[d]
        return [max(1e-9, cycles_s * x + besides_s) for x in self._domains[d].slowness[:count]]

    def _domain_options(
        self,
        domain: _Domain,
        curves: Curves,
        times: Sequence[tuple[Tracker, list[float]]],
        now_s: float,
    ) -> tuple[list[float], list[float], list[float]]:
        """Cost, expected and greatest power at each point, in watts of the whole machine."""
        tick_s = self._tick_s
        idle, busy_w, weight = curves.idle_w, curves.busy_w, curves.weight
        least_idle_w = min(idle)
        clock_hz = domain.domain.opps_hz
        besides_hz = domain.busy_besides * (clock_hz[-1] * self._loads[self._domains.index(domain)].u)
        cost, mean, most = [], [], []
        per = domain.busy_for_work
        rates = [(t, unit_s, t.demand.rate_per_s(now_s)) for t, unit_s in times]
        worth = [
            min((i + per * b - least_idle_w) * s for i, b, s in zip(idle, busy_w, unit_s, strict=True))
            for _, unit_s, _ in rates
        ]
        for k, (idle_w, full_w) in enumerate(zip(idle, busy_w, strict=True)):
            besides = min(1.0, besides_hz / clock_hz[k])
            busy_now = busy_mean = busy_most = besides
            done_w = 0.0
            for (t, unit_s, rate), joule in zip(rates, worth, strict=True):
                available = max(t.work, rate * tick_s)
                share = min(1.0, available * unit_s[k] / tick_s)
                steady = min(1.0, rate * unit_s[k])
                busy_now += per * share
                busy_mean += per * steady
                busy_most += per * (min(1.0, steady) if rate * tick_s >= 1.0 else 1.0)
                done_w += joule * share / unit_s[k]
            cost.append(weight * (idle_w + full_w * min(1.0, busy_now) - done_w))
            mean.append(weight * (idle_w + full_w * min(1.0, max(busy_now, busy_mean))))
            most.append(weight * (idle_w + full_w * min(1.0, busy_most)))
        return cost, mean, most

    def _deadlines(self, seen: Observation, active: Sequence[Tracker], counts: Sequence[int]) -> list[Limit]:
        """Each session's unit must be done within its bound."""
        limits = []
        for t in active:
            if not t.pace.known:
                limits.append(Limit(f"{t.name}: nothing known", self._fastest(t, counts), 0.0))
                continue
            fastest = [
                domain.slowness[count - 1] for domain, count in zip(self._domains, counts, strict=True)
            ]
            bound = t.bound_s(self._tick_s, t.time_s(fastest), seen.time_s)
            terms: list[list[float]] = [[] for _ in self._domains]
            for d, cycles_s in zip(t.domains, t.pace.theta, strict=False):
                terms[d] = [cycles_s * x for x in self._domains[d].slowness[: counts[d]]]
            limits.append(Limit(f"deadline of {t.name}", terms, bound - t.pace.theta[-1]))
        return limits

    def _fastest(self, t: Tracker, counts: Sequence[int]) -> list[list[float]]:
        terms: list[list[float]] = [[] for _ in self._domains]
        for d in t.domains:
            terms[d] = [float(counts[d] - 1 - k) for k in range(counts[d])]
        return terms

    def _demands(self, counts: Sequence[int]) -> list[Limit]:
        """What runs besides sessions needs clocks that leave it some idle time."""
        limits = []
        for d, domain in enumerate(self._domains):
            needed_hz = domain.needed_hz / _BUSY_MOST
            clocks_hz = domain.domain.opps_hz[: counts[d]]
            if needed_hz > clocks_hz[0]:
                terms: list[list[float]] = [[] for _ in self._domains]
                terms[d] = [-hz for hz in clocks_hz]
                limits.append(Limit(f"load of {domain.domain.name}", terms, -min(needed_hz, clocks_hz[-1])))
        return limits

    def _heats(self, options: _Options) -> list[Limit]:
        limits = []
        for d, domain in enumerate(self._domains):
            limits += self._heat(domain.domain.name, domain.heat, domain.domain.limit_c, d, options)
        for name, heat in self._places.items():
            limits += self._heat(name, heat, self._machine.limits_c[name], None, options)
        return limits

    def _heat(self, name: str, heat: Heat, limit_c: float, d: int | None, options: _Options) -> list[Limit]:
        if limit_c == inf:
            return []
        if heat.now_c is None:  # nobody knows how warm it is: as cool as can be
            return [
                Limit(
                    f"{name}: temperature unknown",
                    [[float(k) for k in range(len(w))] for w in options.mean_w],
                    0.0,
                )
            ]
        limits = []
        for horizon_s in HORIZONS_S:
            reach = heat.after(horizon_s)
            terms = [[reach.whole * w for w in watts] for watts in options.mean_w]
            if d is not None:
                terms[d] = [(reach.whole + reach.own) * w for w in options.mean_w[d]]
            bound = limit_c - heat.margin_k - reach.still_c - reach.whole * options.rest_w
            if sum(max(term) for term in terms) > bound:
                limits.append(Limit(f"temperature of {name}", terms, bound))
        return limits

    def _caps(self, seen: Observation, options: _Options) -> list[Limit]:
        if seen.cap_w == inf:
            return []
        meters = self._meters
        assert meters is not None
        if seen.power_w is None and self._expected_w == 0:
            return [
                Limit("cap without a meter", [[float(k) for k in range(len(w))] for w in options.mean_w], 0.0)
            ]
        over = max(1.0, min(self._seconds.at(0.97), 1.1))
        return [Limit("power cap", options.most_w, seen.cap_w / over - options.rest_w)]

    def _choose(
        self, options: _Options, soft: list[Limit], hard: list[Limit], counts: Sequence[int]
    ) -> tuple[tuple[int, ...], str]:
        choice = cheapest(options.cost_w, soft + hard)
        if choice is not None:
            free = tuple(min(range(len(c)), key=c.__getitem__) for c in options.cost_w)
            broken = next((limit.name for limit in soft + hard if not limit.holds(free)), "")
            return choice, broken or "least energy; no limit is near"
        # Not all can be kept: heat and cap are, and sessions come as near to their deadlines as these allow.
        hurried = [
            [
                cost
                + sum(
                    1e6 * limit.terms[d][k] / max(abs(limit.bound), 1e-6) for limit in soft if limit.terms[d]
                )
                for k, cost in enumerate(costs)
            ]
            for d, costs in enumerate(options.cost_w)
        ]
        choice = cheapest(hurried, hard)
        if choice is not None:
            return choice, "heat or cap before deadlines: as fast as they allow"
        return tuple(0 for _ in counts), "nothing keeps heat and cap: as slow as can be"

    def _stay(self, choice: tuple[int, ...], options: _Options, limits: Sequence[Limit]) -> tuple[int, ...]:
        """The last choice if it is still right, and the new one hardly better."""
        last = self._choice
        assert last is not None
        if any(k >= len(costs) for k, costs in zip(last, options.cost_w, strict=True)):
            return choice
        power_w = options.rest_w + sum(w[k] for w, k in zip(options.mean_w, choice, strict=True))
        saved_w = sum(
            costs[old] - costs[new] for costs, old, new in zip(options.cost_w, last, choice, strict=True)
        )
        return last if saved_w < _WORTH * power_w and all(limit.holds(last) for limit in limits) else choice

    def _explore(
        self, best: tuple[int, ...], options: _Options, limits: Sequence[Limit], seen: Observation
    ) -> tuple[int, ...]:
        power_w = options.rest_w + sum(w[k] for w, k in zip(options.mean_w, best, strict=True))
        busy = [load.busy > 0.02 for load in self._loads]

        def safe(choice: tuple[int, ...]) -> bool:
            return all(limit.sum(choice) <= limit.bound - _ROOM * abs(limit.bound) for limit in limits)

        return self._explorer.turn(best, options.cost_w, power_w, busy, safe, self._tick_s)

    def _told(
        self,
        choice: tuple[int, ...],
        why: str,
        options: _Options,
        active: Sequence[Tracker],
        seen: Observation,
    ) -> Decision:
        power_w = options.rest_w + sum(w[k] for w, k in zip(options.mean_w, choice, strict=True))
        self._expected_w = power_w if seen.power_w is not None else 0.0
        numbers = {"power_w": power_w}
        slowness = [domain.slowness[k] for domain, k in zip(self._domains, choice, strict=True)]
        for t in active:
            if t.pace.known:
                latency_s = t.pace.tail() * t.time_s(slowness)
                numbers[f"{t.name}.latency_s"] = latency_s
                numbers[f"{t.name}.slack_s"] = t.deadline_s - latency_s
        for domain, k in zip(self._domains, choice, strict=True):
            if domain.heat.now_c is not None:
                d = self._domains.index(domain)
                reach = domain.heat.after(HORIZONS_S[-1])
                numbers[f"{domain.domain.name}.temperature_c"] = reach.at(options.mean_w[d][k], power_w)
        clocks_hz = tuple(domain.domain.opps_hz[k] for domain, k in zip(self._domains, choice, strict=True))
        return Decision(clocks_hz, why, numbers)
