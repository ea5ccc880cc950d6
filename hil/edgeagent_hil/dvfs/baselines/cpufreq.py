"""Linux's generic scaling governors (Documentation/admin-guide/pm/cpufreq.rst), each for one domain.

A rule is asked once a tick. It keeps the domain's ceiling, which is what Linux calls the policy's maximum.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from edgeagent_hil.dvfs.baselines.load import Load
from edgeagent_hil.dvfs.baselines.points import at_least, at_most, closest
from edgeagent_sdk.governor import Decision, Domain, DomainState, Machine, Observation

#: Of a driver with the usual transition latency of 10 µs: sampling rate and rate limit are 1000 times that.
SAMPLING_S = 0.010


class Rule(Protocol):
    """What decides about one domain."""

    def clock_hz(self, state: DomainState, lasted_s: float) -> float:
        """The operating point from now on.

        Args:
            state: since the last tick.
            lasted_s: how long that was.
        """
        ...


class Performance:
    """Always the highest clock."""

    def __init__(self, domain: Domain) -> None:
        self._opps_hz = domain.opps_hz

    def clock_hz(self, state: DomainState, lasted_s: float) -> float:
        """The ceiling."""
        return at_most(self._opps_hz, state.ceiling_hz)


class Powersave:
    """Always the lowest clock."""

    def __init__(self, domain: Domain) -> None:
        self._opps_hz = domain.opps_hz

    def clock_hz(self, state: DomainState, lasted_s: float) -> float:
        """The lowest."""
        return self._opps_hz[0]


class Ondemand:
    """To the top when the load passes a threshold, else in proportion to the load (cpufreq_ondemand.c).

    Args:
        up_threshold: load above which the highest clock is taken.
        sampling_down_factor: how many times longer that is kept before the next sample.
    """

    def __init__(self, domain: Domain, *, up_threshold: float = 0.80, sampling_down_factor: int = 1) -> None:
        self._opps_hz = domain.opps_hz
        self._up_threshold, self._factor = up_threshold, sampling_down_factor
        self._clock_hz, self._periods = 0.0, 1
        self._load = Load()

    def clock_hz(self, state: DomainState, lasted_s: float) -> float:
        """A new point with each sample; before the first one, the clock that it finds."""
        highest_hz = at_most(self._opps_hz, state.ceiling_hz)
        self._clock_hz = min(self._clock_hz or at_most(self._opps_hz, state.clock_hz), highest_hz)
        sample = self._load.sample(state.busy, lasted_s, SAMPLING_S * self._periods)
        if sample is None:
            return self._clock_hz
        if sample.load > self._up_threshold:
            if self._clock_hz < highest_hz:
                self._periods = self._factor
            self._clock_hz = highest_hz
        else:
            self._periods = 1
            lowest_hz, span_hz = self._opps_hz[0], self._opps_hz[-1] - self._opps_hz[0]
            self._clock_hz = min(closest(self._opps_hz, lowest_hz + sample.load * span_hz), highest_hz)
        return self._clock_hz


class Conservative:
    """In small steps, up above one threshold and down below another (cpufreq_conservative.c).

    Args:
        freq_step: a step, as a share of the highest clock. What is wanted is kept to the hertz, so steps
            smaller than the distance of two points add up.
        sampling_down_factor: how many samples it takes to go down one step.
    """

    def __init__(
        self,
        domain: Domain,
        *,
        up_threshold: float = 0.80,
        down_threshold: float = 0.20,
        freq_step: float = 0.05,
        sampling_down_factor: int = 1,
    ) -> None:
        self._opps_hz = domain.opps_hz
        self._up_threshold, self._down_threshold = up_threshold, down_threshold
        self._freq_step, self._factor = freq_step, sampling_down_factor
        self._wanted_hz = self._clock_hz = 0.0
        self._skipped = 0
        self._load = Load()

    def clock_hz(self, state: DomainState, lasted_s: float) -> float:
        """At most one step further with each sample."""
        if not self._wanted_hz:  # it starts from what it finds
            self._wanted_hz = self._clock_hz = at_most(self._opps_hz, state.clock_hz)
        highest_hz, lowest_hz = at_most(self._opps_hz, state.ceiling_hz), self._opps_hz[0]
        self._clock_hz = min(self._clock_hz, highest_hz)
        sample = self._load.sample(state.busy, lasted_s, SAMPLING_S)
        if sample is None:
            return self._clock_hz
        if self._wanted_hz > highest_hz:  # the ceiling has come down meanwhile
            self._wanted_hz = self._clock_hz
        step_hz = self._freq_step * highest_hz
        self._wanted_hz = max(self._wanted_hz - sample.idle_periods * step_hz, lowest_hz)
        if sample.load > self._up_threshold:
            self._skipped = 0
            if self._wanted_hz < highest_hz:
                self._wanted_hz = min(self._wanted_hz + step_hz, highest_hz)
                self._clock_hz = at_most(self._opps_hz, self._wanted_hz)
            return self._clock_hz
        self._skipped += 1
        if self._skipped >= self._factor:
            self._skipped = 0
            if sample.load < self._down_threshold and self._wanted_hz > lowest_hz:
                self._wanted_hz = max(self._wanted_hz - step_hz, lowest_hz)
                self._clock_hz = min(at_least(self._opps_hz, self._wanted_hz), highest_hz)
        return self._clock_hz


class Schedutil:
    """1.25 times the utilization's share of the highest clock (kernel/sched/cpufreq_schedutil.c).

    Utilization is the scheduler's: busy time, weighted with the clock it ran at, averaged exponentially
    (per-entity load tracking, kernel/sched/pelt.c).

    Args:
        half_life_s: after which busy time counts half.
        headroom: the tipping point: from a utilization of 1/headroom on the highest clock is asked for.
        rate_limit_s: least time between two changes.
    """

    def __init__(
        self,
        domain: Domain,
        *,
        half_life_s: float = 0.032,
        headroom: float = 1.25,
        rate_limit_s: float = SAMPLING_S,
    ) -> None:
        self._opps_hz = domain.opps_hz
        self._half_life_s, self._headroom, self._rate_limit_s = half_life_s, headroom, rate_limit_s
        self._clock_hz = domain.opps_hz[0]
        self._utilization, self._since_s = 0.0, rate_limit_s

    def clock_hz(self, state: DomainState, lasted_s: float) -> float:
        """A new point with each tick that was not idle throughout, within the rate limit."""
        highest_hz = at_most(self._opps_hz, state.ceiling_hz)
        kept = 0.5 ** (lasted_s / self._half_life_s)
        worked = state.busy * state.clock_hz / self._opps_hz[-1]
        self._utilization = kept * self._utilization + (1 - kept) * worked
        self._since_s += lasted_s
        if state.busy > 0 and self._since_s >= self._rate_limit_s * 0.999:
            wanted_hz = self._headroom * self._utilization * self._opps_hz[-1]
            next_hz = min(at_least(self._opps_hz, wanted_hz), highest_hz)
            if next_hz != self._clock_hz:
                self._since_s = 0.0
            self._clock_hz = next_hz
        self._clock_hz = min(self._clock_hz, highest_hz)
        return self._clock_hz


class Cpufreq:
    """A governor that gives each domain a rule of its own, as each policy of Linux has its governor."""

    def __init__(
        self, machine: Machine, rule: Callable[[Domain], Rule], *, tick_s: float = SAMPLING_S
    ) -> None:
        self.tick_s = tick_s
        self._rules = [rule(domain) for domain in machine.domains]
        self._last_s: float | None = None
        self._why = rule.__name__.lower() if isinstance(rule, type) else "cpufreq"

    def decide(self, seen: Observation) -> Decision:
        """Each rule's point."""
        lasted_s = self.tick_s if self._last_s is None else max(seen.time_s - self._last_s, 0.0)
        self._last_s = seen.time_s
        pairs = zip(self._rules, seen.domains, strict=True)
        return Decision(tuple(rule.clock_hz(state, lasted_s) for rule, state in pairs), self._why)
