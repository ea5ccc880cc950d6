"""The `dvfs` driver: its bus are the node's other devices, which it reads and steers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from math import inf, isfinite
from typing import Any

from edgeagent.drivers.dvfs.cap import PowerCap
from edgeagent.drivers.dvfs.constraint import Constraint
from edgeagent.drivers.dvfs.domain import SteeredDomain
from edgeagent.drivers.dvfs.find import idle_governor, places, power
from edgeagent.drivers.dvfs.memory import Memory
from edgeagent.drivers.dvfs.options import DvfsOptions
from edgeagent.drivers.dvfs.workloads import Workloads, on_domains
from edgeagent.drivers.sysfs import listing
from edgeagent_sdk.channel import Channel, Fault, Value
from edgeagent_sdk.driver import Actuator, Actuators, Found, Host, Occurrence, Readings, Sensor, Source
from edgeagent_sdk.errors import DeviceChanged, DriverError, EdgeError
from edgeagent_sdk.governor import Decision, Governor, Learning, Machine, Observation
from edgeagent_sdk.messages import Severity

#: The devices of an agent open within moments of each other; so long they are waited for.
_PATIENCE_S = 3.0
_LOOK_S = 0.05

#: Decisions that come so late are told of.
_SLOW_S = 2.0

_NOTHING = Decision((), "nothing has been decided yet")


class DvfsSensor(Sensor):
    """A governor at work: at each reading it sees, decides and drives."""

    Options = DvfsOptions
    summary = "a governor that sets the clocks of CPUs and GPUs: deadlines kept at the least energy"
    reads_others = True
    interval_s = 0.2

    def __init__(self, host: Host, options: DvfsOptions) -> None:
        super().__init__(host, options)
        self.options: DvfsOptions = options
        self._cap = PowerCap(options.power_max_w, options.cap_w or inf)
        self._domains: list[SteeredDomain] = []
        self._governor: Governor | None = None
        self._memory: Memory | None = None
        self._machine: Machine | None = None
        self._slow = False
        self._power: Sequence[Source] = ()
        self._workloads = Workloads()
        self._constraint = Constraint()
        self._version = 0
        self._decision, self._seen = _NOTHING, Observation(0.0, ())
        self._decided_s = self._took_s = 0.0
        self._switches = 0
        self._news: list[Occurrence] = []

    @classmethod
    def discover(cls, host: Host) -> Iterable[Found]:
        """Proposed where there are clocks, but never as a thing to run unasked: it acts on the machine."""
        policies = listing(host.path("/sys/devices/system/cpu/cpufreq"), "policy*")
        gpus = listing(host.path("/sys/class/devfreq"), "*gpu*")
        if policies or gpus:
            why = "it would set the clocks of this machine, so it is not enabled unasked"
            remedy = "see what it would do first: edgeagent rig dvfs; and set its limits: power_max_w, cap_w"
            yield Found("governor", {}, cls.summary, why, remedy)

    @classmethod
    def examine(cls, host: Host, options: DvfsOptions) -> Iterable[tuple[str, str]]:
        """Whether the governor can be had, and the devices that are named are there."""
        try:
            options.maker()
        except EdgeError as error:
            yield "governor", str(error)
        if host.readings:
            yield from options.astray(host.readings)

    def open(self) -> Sequence[Channel]:
        """Find the clocks and what tells of them; devices that open at the same time are awaited."""
        readings, actuators = self._others()
        deadline_s = time.monotonic() + _PATIENCE_S
        _wait(lambda: not readings.waiting("*/*/*"), deadline_s)
        options = self.options
        insist = options.on_fight == "insist"
        self._domains = [
            SteeredDomain(self.host, place, insist=insist, yield_s=options.yield_s)
            for place in places(self.host, options, actuators, readings)
        ]
        self._warn_of_idle()
        self._bind(readings, actuators)
        _wait(lambda: all(domain.readable for domain in self._domains), deadline_s)
        return self._channels()

    def read(self) -> Sequence[Value]:
        """See, decide and drive; then what was decided, and what is expected of it."""
        readings, actuators = self._others()
        if readings.version != self._version:
            self._bind(readings, actuators)
        now_s = time.monotonic()
        self._warn_of_slowness(now_s)
        self._seen = self._observe(now_s)
        self._decide(now_s)
        self._learned()
        return self._values()

    def close(self) -> None:
        """Have everything given back, and keep what was learned."""
        for domain in self._domains:
            domain.let_go()
        if self._memory and isinstance(self._governor, Learning) and self._decided_s:
            self._memory.keep(self._governor.memory(), last=True)
        self._domains, self._governor, self._memory, self._machine = [], None, None, None
        self._decided_s = 0.0

    def actuators(self) -> Sequence[Actuator]:
        """The power cap of the whole machine."""
        return [self._cap]

    def occurrences(self) -> Sequence[Occurrence]:
        """Fights, and which constraint decides."""
        news, self._news = self._news, []
        for domain in self._domains:
            news += domain.news
            domain.news = []
        return news

    def explain(self) -> dict[str, Any]:
        """The last decision in numbers and words."""
        decision, seen, now_s = self._decision, self._seen, time.monotonic()
        saved_s = self._memory.saved_s if self._memory else None
        return {
            "governor": self.options.governor,
            "why": decision.why,
            "constraint": self._constraint.words,
            "age_s": round(now_s - self._decided_s, 3) if self._decided_s else None,
            "took_s": self._took_s,
            "power_w": seen.power_w,
            "cap_w": seen.cap_w if seen.cap_w < inf else None,
            "power_sensors": ["/".join((s.device, *s.channel.key)) for s in self._power],
            "expected": dict(decision.numbers),
            "domains": [domain.explain() for domain in self._domains],
            "sessions": self._workloads.explain(decision.numbers),
            "switches": self._switches,
            "on_fight": self.options.on_fight,
            "memory": {
                "saved_ago_s": None if saved_s is None else round(now_s - saved_s, 1),
                "trouble": self._memory.trouble if self._memory else "",
            },
        }

    def _others(self) -> tuple[Readings, Actuators]:
        readings, actuators = self.host.readings, self.host.actuators
        if readings is None or actuators is None:
            raise DriverError("other devices can only be steered inside an agent", "try: edgeagent run")
        return readings, actuators

    def _bind(self, readings: Readings, actuators: Actuators) -> None:
        """Find everything anew; devices have come or gone."""
        self._version = readings.version  # before the look: what changes meanwhile makes another
        found = places(self.host, self.options, actuators, readings)
        if [place.name for place in found] != [domain.place.name for domain in self._domains]:
            raise DeviceChanged("other clocks can be steered now: they are looked for anew", retry_s=0.1)
        for domain, place in zip(self._domains, found, strict=True):
            domain.bind(place, readings)
        self._power = power(self.options, readings)
        machine = Machine(tuple(domain.described for domain in self._domains))
        if machine != self._machine:
            self._govern(machine)

    def _warn_of_idle(self) -> None:
        """Tell of clocks that the kernel keeps lowest whatever is decided."""
        for drive in (drive for domain in self._domains for drive in domain.place.drives):
            if governor := idle_governor(self.host, drive):
                words = (
                    f"{drive.device}/{drive.info.name} has no effect under the kernel's governor {governor}; "
                    "set scaling_governor to schedutil or performance"
                )
                self._news.append(Occurrence("clock-idle", words, Severity.WARNING))

    def _warn_of_slowness(self, now_s: float) -> None:
        """What is not driven again within some seconds is given back: an interval so long makes no sense."""
        late_s = now_s - self._decided_s if self._decided_s else 0.0
        if late_s > _SLOW_S and not self._slow:
            words = f"decides {late_s:.1f} s after the last time; give it an interval_s of 0.2, or less load"
            self._news.append(Occurrence("governor-slow", words, Severity.WARNING))
        self._slow = late_s > _SLOW_S

    def _govern(self, machine: Machine) -> None:
        try:
            make = self.options.maker()
        except EdgeError as error:
            raise DriverError(str(error)) from None
        before: dict[str, Any] = self._governor.memory() if isinstance(self._governor, Learning) else {}
        self._governor, self._machine = make(machine), machine
        self._memory = Memory(self.host, self.options.governor, machine)
        learned = before or self._memory.recall()
        if isinstance(self._governor, Learning) and learned:
            try:
                self._governor.recall(learned)
            except Exception as error:  # a governor is anybody's code, and may be another version's
                self._governor = make(machine)
                words = f"what was learned before does not fit, and is left aside: {error}"
                self._news.append(Occurrence("memory-unfit", words, Severity.WARNING))

    def _observe(self, now_s: float) -> Observation:
        sessions = self.host.hints(self) if self.host.hints else ()
        here = [domain.place for domain in self._domains]
        told = tuple(on_domains(session, here) for session in sessions)
        self._workloads.take(told, now_s)
        for words in self._workloads.strays(sessions, here):
            self._news.append(Occurrence("domain-unknown", words, Severity.WARNING))
        watts = [source.latest()[0] for source in self._power]
        known = [value for value in watts if not isinstance(value, Fault)]
        return Observation(
            time_s=now_s,
            domains=tuple(domain.observe(now_s) for domain in self._domains),
            power_w=sum(known) if known and len(known) == len(watts) else None,
            cap_w=self._cap.cap_w,
            sessions=told,
        )

    def _decide(self, now_s: float) -> None:
        assert self._governor is not None
        begun_s = time.monotonic()
        self._decision = self._governor.decide(self._seen)
        self._took_s, self._decided_s = time.monotonic() - begun_s, now_s
        for domain, clock_hz in zip(self._domains, self._decision.clock_hz, strict=True):
            if not isfinite(clock_hz):
                raise DriverError(f"the governor decided {clock_hz} Hz for {domain.place.name}")
            self._switches += domain.drive(clock_hz, now_s)
        if before := self._constraint.changed(self._decision.why, now_s):
            words = f"what decides is now: {self._constraint.words} (before: {before})"
            self._news.append(Occurrence("constraint-changed", words))

    def _learned(self) -> None:
        """Have what was learned kept, now and then."""
        memory = self._memory
        if memory and memory.due and isinstance(self._governor, Learning):
            memory.keep(self._governor.memory())
            if memory.trouble:
                words = f"what was learned cannot be kept: {memory.trouble}"
                self._news.append(Occurrence("memory-unsaved", words, Severity.WARNING))

    def _channels(self) -> list[Channel]:
        made = []
        for domain in self._domains:
            name = domain.place.name
            made.append(Channel(name, "frequency", description="decided: it shall not run faster"))
            made.append(Channel(name, "temperature", description="expected of the decision"))
        made += [
            Channel("expected", "power", description="expected of the decision, the whole machine"),
            Channel("cap", "power", description="what the machine may draw"),
            Channel("decision", "latency", description="time that the last decision took"),
            Channel("switches", "count", description="changes of a decided clock"),
            Channel("units", "count", description="units of work that workloads have told of"),
            Channel("misses", "count", description="those that were done after their deadline"),
        ]
        for name in self.options.sessions:
            made.append(Channel(name, "latency", description="quantile that the workload asks for, expected"))
            made.append(Channel(f"{name}-misses", "count", description="units done after their deadline"))
        return made

    def _values(self) -> list[Value]:
        numbers, cap_w = self._decision.numbers, self._seen.cap_w
        values: list[Value] = []
        for domain in self._domains:
            left = Fault("left to another process")
            values.append(left if domain.decided_hz is None else domain.decided_hz)
            values.append(_number(numbers.get(f"{domain.place.name}.temperature_c")))
        values += [
            _number(numbers.get("power_w")),
            cap_w if cap_w < inf else self._cap.info.maximum,
            self._took_s,
            float(self._switches),
            float(self._workloads.units),
            float(self._workloads.misses),
        ]
        for name in self.options.sessions:
            workload = self._workloads.get(name)
            expected_s = numbers.get(f"{name}.latency_s", workload.latency_s if workload else None)
            values.append(_number(expected_s))
            values.append(float(workload.misses) if workload else Fault("not heard of"))
        return values


def _wait(done: Callable[[], bool], until_s: float) -> None:
    """Return when it is done, or then."""
    while not done() and time.monotonic() < until_s:
        time.sleep(_LOOK_S)


def _number(value: float | None) -> Value:
    return Fault("the governor expects nothing of it yet") if value is None else float(value)
