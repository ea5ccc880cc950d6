"""The governor `edge`: sees, learns, and takes the clocks that cost least.

At each tick it brings what it knows up to date, lays out what every operating point would cost, and takes the
cheapest that keep all deadlines at their quantile, all temperatures over the next 30 s, and the cap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any, Final

from edgeagent.dvfs import limits, told
from edgeagent.dvfs import memory as remembering
from edgeagent.dvfs.budget import Budget
from edgeagent.dvfs.domain import DomainModel
from edgeagent.dvfs.explore import Explorer
from edgeagent.dvfs.heat import Heat
from edgeagent.dvfs.meters import Load, Meters
from edgeagent.dvfs.options import Options, options, work
from edgeagent.dvfs.power import warmth
from edgeagent.dvfs.search import Limit, cheapest
from edgeagent.dvfs.sound import sound
from edgeagent.dvfs.tracker import History, Tracker
from edgeagent_sdk.governor import Decision, Machine, Observation, Session

#: How often it wants to be asked, s.
TICK_S: Final = 0.1

#: A change must save this share of the machine's power.
_WORTH: Final = 0.002

#: Exploration keeps this share of every bound free.
_ROOM: Final = 0.05

#: Exploration stays so far below temperature limits, K.
_COOL_K: Final = 10.0

#: Sessions that have said nothing for so long are forgotten.
_SILENT_S: Final = 600.0

#: A domain that is less busy is looked at in turn with the others, and nothing is tried out there.
_RESTING: Final = 0.02

#: What is done for a deadline that cannot be kept weighs so much more than energy.
_HURRY_W: Final = 1e6


class EdgeGovernor:
    """See `edgeagent_sdk.governor.Governor`.

    Args:
        machine: its domains and their limits; everything else is learned.
    """

    tick_s = TICK_S

    def __init__(self, machine: Machine) -> None:
        self._names = {domain.name: d for d, domain in enumerate(machine.domains)}
        self._domains = [DomainModel(domain) for domain in machine.domains]
        self._elsewhere = {name: (Heat(own=False), limit_c) for name, limit_c in machine.limits_c.items()}
        self._explorer = Explorer([len(domain.opps_hz) for domain in self._domains])
        self._meters = Meters([False] * len(machine.domains))
        self._trackers: dict[str, Tracker] = {}
        self._history = History()
        self._loads: list[Load] = []
        self._options: list[Options | None] = [None] * len(machine.domains)
        self._forecasts_c = [0.0] * len(machine.domains)
        self._budget = Budget()
        self._last_s: float | None = None
        self._mean_tick_s = TICK_S
        self._ticks = 0
        self._choice: tuple[int, ...] | None = None
        self._remembered: Mapping[str, Any] = {}

    def decide(self, seen: Observation) -> Decision:
        """The clocks from now on."""
        seen = sound(seen)
        elapsed_s = 0.0 if self._last_s is None else seen.time_s - self._last_s
        self._ticks += 1
        if elapsed_s > 0:
            self._mean_tick_s += 0.1 * (min(elapsed_s, 2.0) - self._mean_tick_s)
        self._find_meters(seen)
        self._learn_sessions(seen, elapsed_s)
        self._learn_machine(seen, elapsed_s)
        self._last_s = seen.time_s
        return self._decide(seen, elapsed_s)

    def memory(self) -> dict[str, Any]:
        """What it has learned; see `edgeagent_sdk.governor.Learning`."""
        names = [domain.name for domain in self._domains]
        return {
            "version": remembering.VERSION,
            "points_hz": {domain.name: list(domain.opps_hz) for domain in self._domains},
            "power": self._meters.memory(names),
            "heat": {domain.name: domain.heat.memory() for domain in self._domains},
            "elsewhere": {name: heat.memory() for name, (heat, _) in self._elsewhere.items()},
            "sessions": {
                name: {"domains": [names[d] for d in t.domains], "theta_s": remembering.rounded(t.pace.theta)}
                for name, t in self._trackers.items()
                if t.pace.known
            },
        }

    def recall(self, memory: Mapping[str, Any]) -> None:
        """Begin from what an earlier one has learned of this machine."""
        points_hz = {domain.name: list(domain.opps_hz) for domain in self._domains}
        if memory.get("version") != remembering.VERSION or memory.get("points_hz") != points_hz:
            return
        self._remembered = memory
        self._recall_power()
        for domain in self._domains:
            domain.heat.recall(remembering.part(memory, "heat").get(domain.name))
        for name, (heat, _) in self._elsewhere.items():
            heat.recall(remembering.part(memory, "elsewhere").get(name))

    def _recall_power(self) -> None:
        names = [domain.name for domain in self._domains]
        self._meters.recall(remembering.part(self._remembered, "power"), names)

    # What was

    def _find_meters(self, seen: Observation) -> None:
        """Domains that show their own power are taken out of what only the whole machine's meter shows."""
        known = self._meters.metered
        metered = [had or state.power_w is not None for had, state in zip(known, seen.domains, strict=True)]
        if any(had != has for had, has in zip(known, metered, strict=True)):
            self._meters = Meters(metered)
            self._recall_power()

    def _learn_sessions(self, seen: Observation, elapsed_s: float) -> None:
        from_s = seen.time_s - elapsed_s
        if elapsed_s > 0:
            clocks = zip(self._domains, seen.domains, strict=True)
            slowness = tuple(domain.opps_hz[-1] / max(state.clock_hz, 1.0) for domain, state in clocks)
            self._history.add(from_s, seen.time_s, slowness)
        for session in seen.sessions:
            tracker = self._tracker(session)
            kinds = tracker.pace.kinds
            tracker.learn(session, self._history, from_s, seen.time_s, self._mean_tick_s)
            if tracker.pace.kinds > kinds:
                for d in tracker.domains:
                    self._explorer.wake(d)
        for name in [n for n, t in self._trackers.items() if t.seen_s < seen.time_s - _SILENT_S]:
            del self._trackers[name]

    def _tracker(self, session: Session) -> Tracker:
        known = tuple(self._names[name] for name in session.domains if name in self._names)
        domains = known or tuple(range(len(self._domains)))
        tracker = self._trackers.get(session.name)
        if tracker is None or tracker.domains != domains:
            tracker = self._trackers[session.name] = Tracker(session, domains)
            earlier = remembering.part(self._remembered, "sessions", session.name)
            theta_s = remembering.numbers(earlier.get("theta_s"), len(domains) + 1)
            if (
                theta_s
                and any(theta_s)
                and earlier.get("domains") == [self._domains[d].name for d in domains]
            ):
                tracker.pace.recall(theta_s)
        return tracker

    def _learn_machine(self, seen: Observation, elapsed_s: float) -> None:
        meters = self._meters
        self._loads = [self._load(d, seen) for d in range(len(self._domains))]
        if elapsed_s <= 0:
            for domain, state in zip(self._domains, seen.domains, strict=True):
                domain.heat.see(state.temperature_c, seen.time_s)
            for name, (heat, _) in self._elsewhere.items():
                heat.see(seen.temperatures_c.get(name), seen.time_s)
            return
        busy = [self._turn(d) for d in range(len(self._domains))]
        meters.learn(self._loads, seen.power_w, busy)
        own_w = [meters.own_w(d, load) for d, load in enumerate(self._loads)]
        whole_w = seen.power_w if seen.power_w is not None else sum(own_w)
        for d, (domain, state) in enumerate(zip(self._domains, seen.domains, strict=True)):
            shares = (self._trackers[s.name].work_share for s in seen.sessions if self._works(s, d))
            domain.learn_busy(state.busy, min(1.0, sum(shares)), state.clock_hz, elapsed_s)
            if self._loads[d].busy > _RESTING:
                self._explorer.seen(d, self._loads[d].point, elapsed_s)
            self._warm(d, domain.heat, own_w[d], whole_w, state.temperature_c, seen.time_s)
        for name, (heat, _) in self._elsewhere.items():
            self._warm(0, heat, 0.0, whole_w, seen.temperatures_c.get(name), seen.time_s)
        self._budget.learn(seen.power_w, seen.cap_w, elapsed_s)

    def _warm(
        self, d: int, heat: Heat, own_w: float, whole_w: float, temperature_c: float | None, now_s: float
    ) -> None:
        """A temperature moves on: at each tick where something is busy, else when it is the domain's turn."""
        if self._turn(d):
            heat.follow(own_w, whole_w, temperature_c, now_s)
        if self._mine(d):
            heat.learn()

    def _load(self, d: int, seen: Observation) -> Load:
        domain, state = self._domains[d], seen.domains[d]
        u = state.clock_hz / domain.opps_hz[-1]
        now_c = state.temperature_c if state.temperature_c is not None else domain.heat.now_c
        stalled = max((t.stalled for t in self._trackers.values() if d in t.domains), default=0.0)
        warm = warmth(60.0 if now_c is None else now_c)
        return Load(u, domain.point(state.clock_hz), state.busy, stalled, warm, state.power_w)

    def _works(self, session: Session, d: int) -> bool:
        return d in self._trackers[session.name].domains

    def _mine(self, d: int) -> bool:
        """Whether it is a domain's turn."""
        return self._ticks % len(self._domains) == d

    def _turn(self, d: int) -> bool:
        """Whether a domain is busy, or it is its turn."""
        return self._loads[d].busy > _RESTING or self._mine(d)

    # What shall be

    def _decide(self, seen: Observation, elapsed_s: float) -> Decision:
        meters = self._meters
        pairs = zip(self._domains, seen.domains, strict=True)
        counts = [domain.allowed(state.ceiling_hz) for domain, state in pairs]
        trackers = [self._trackers[session.name] for session in seen.sessions]
        soft = [limits.deadline(t, self._domains, counts, self._mean_tick_s, seen.time_s) for t in trackers]
        soft += limits.loads(self._domains, counts)
        laid_out = [self._laid_out(d, trackers, seen.time_s) for d in range(len(self._domains))]
        rest_w = meters.rest_w(self._loads)
        hard = limits.ceilings(self._domains, counts)
        near, far = limits.temperatures(self._domains, self._elsewhere, laid_out, rest_w)
        hard += near
        allowed_w = self._budget.allowed_w(seen.cap_w, self._mean_tick_s)
        hard += limits.cap(allowed_w, laid_out, rest_w, meters.known)
        best, why = self._best(laid_out, soft, hard, far)
        mean_w = rest_w + _sum([o.mean_w for o in laid_out], best)
        best = self._stay(best, laid_out, soft + hard, mean_w)
        choice = self._explorer.turn(
            best,
            [o.cost_w for o in laid_out],
            mean_w,
            [load.busy > _RESTING and self._cool(d) for d, load in enumerate(self._loads)],
            lambda c: all(limit.sum(c) <= limit.bound - _ROOM * abs(limit.bound) for limit in soft + hard),
            elapsed_s,
        )
        if choice != best:
            why = "an operating point is tried, to know what it draws"
        self._choice = best
        return self._told(choice, why, laid_out, rest_w, trackers, soft + hard, seen.time_s)

    def _cool(self, d: int) -> bool:
        """Whether a domain is so far below its limit that its points may be tried."""
        domain = self._domains[d]
        return domain.limit_c == inf or (domain.heat.now_c or inf) < domain.limit_c - _COOL_K

    def _laid_out(self, d: int, trackers: Sequence[Tracker], now_s: float) -> Options:
        """A domain's options; of one that rests they are renewed when it is its turn."""
        known = self._options[d]
        mine = [t for t in trackers if d in t.domains and t.pace.known]
        if known is not None and not mine and not self._turn(d):
            return known
        domain = self._domains[d]
        works = [work(t, d, self._domains, [load.u for load in self._loads], now_s) for t in mine]
        stalled = [0.0] * len(domain.us)
        for t, w in zip(mine, works, strict=True):
            memory_s = t.pace.theta[-1]
            stalled = [max(s, memory_s / unit_s) for s, unit_s in zip(stalled, w.unit_s, strict=True)]
        curves = self._meters.curves(d, domain.us, stalled, self._loads[d].warm)
        laid_out = self._options[d] = options(domain, curves, works, self._mean_tick_s)
        return laid_out

    def _best(
        self, laid_out: Sequence[Options], soft: list[Limit], hard: list[Limit], far: list[Limit]
    ) -> tuple[tuple[int, ...], str]:
        costs_w = [o.cost_w for o in laid_out]
        free = cheapest(costs_w, [])
        assert free is not None
        for held in ([*soft, *hard, *far], [*soft, *hard]):
            best = cheapest(costs_w, held)
            if best is not None:
                limiting = (
                    limit.name for limit in held if not limit.holds(free) or limit.name == limits.BLIND
                )
                return best, next(limiting, "least energy; nothing else limits")
        # Heat and cap are kept first; sessions come as near to their deadlines as these allow.
        hurried_w = [
            [
                cost_w + sum(_HURRY_W * s.terms[d][k] / max(abs(s.bound), 1e-9) for s in soft if s.terms[d])
                for k, cost_w in enumerate(costs)
            ]
            for d, costs in enumerate(costs_w)
        ]
        best = cheapest(hurried_w, hard)
        if best is None:
            slowest = tuple(0 for _ in costs_w)
            broken = next((limit.name for limit in hard if not limit.holds(slowest)), "heat and cap")
            return slowest, f"{broken} cannot be kept: all is as slow as can be"
        kept = hard[-1].name.partition(":")[0] if hard else "clocks"
        return best, f"{kept} before deadlines"

    def _stay(
        self, best: tuple[int, ...], laid_out: Sequence[Options], held: Sequence[Limit], mean_w: float
    ) -> tuple[int, ...]:
        """The last choice, if it is still right and the new one is hardly better."""
        last = self._choice
        if last is None or last == best:
            return best
        costs_w = [o.cost_w for o in laid_out]
        saved_w = _sum(costs_w, last) - _sum(costs_w, best)
        return last if saved_w < _WORTH * mean_w and all(limit.holds(last) for limit in held) else best

    def _told(
        self,
        choice: tuple[int, ...],
        why: str,
        laid_out: Sequence[Options],
        rest_w: float,
        trackers: Sequence[Tracker],
        held: Sequence[Limit],
        now_s: float,
    ) -> Decision:
        mean_w = rest_w + _sum([o.mean_w for o in laid_out], choice)
        self._budget.expect(mean_w, choice)
        numbers = {"power_w": mean_w, **told.sessions(trackers, self._domains, choice)}
        numbers |= told.energy(trackers, choice, laid_out, mean_w, held, now_s)
        for d, domain in enumerate(self._domains):
            if domain.heat.now_c is not None:
                if self._turn(d):
                    reach = domain.heat.after(limits.FAR_S)
                    own_w = laid_out[d].mean_w[choice[d]] / laid_out[d].weight
                    self._forecasts_c[d] = reach.at(own_w, mean_w)
                numbers[f"{domain.name}.temperature_c"] = self._forecasts_c[d]
        clocks_hz = tuple(domain.opps_hz[k] for domain, k in zip(self._domains, choice, strict=True))
        return Decision(clocks_hz, why, numbers)


def _sum(columns: Sequence[Sequence[float]], choice: Sequence[int]) -> float:
    return sum(column[k] for column, k in zip(columns, choice, strict=True))
