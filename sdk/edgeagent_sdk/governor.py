"""What a governor of frequency sees, and what it decides.

The agent runs a governor on a real machine, the rig runs any number of them on a twin, in virtual time: both
meet here. A governor is found by name in the entry-point group ``edgeagent.governors``; what stands
there takes a `Machine` and gives a `Governor`. It reads no clock, file or device of its own, so equal
observations make equal decisions.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any, NamedTuple, Protocol, runtime_checkable

GROUP = "edgeagent.governors"


class Domain(NamedTuple):
    """A frequency domain: cores, or a GPU, that share one clock.

    Args:
        opps_hz: the clocks of its operating points, ascending.
        cores: how many share the clock.
        limit_c: the temperature that it must not pass; infinite if none is known.
    """

    name: str
    opps_hz: tuple[float, ...]
    cores: int = 1
    limit_c: float = inf


class Machine(NamedTuple):
    """All that a governor is told beforehand; what operating points draw and how fast they work, it learns.

    Args:
        domains: in the order of all that follows.
        limits_c: of temperatures that belong to no domain (a case, a board), by name.
    """

    domains: tuple[Domain, ...]
    limits_c: Mapping[str, float] = {}


class Unit(NamedTuple):
    """One unit of a workload's work, done: a frame, an inference, a request.

    Args:
        ended_s: when it was done, on the clock of the observation.
        service_s: how long it was worked on.
        latency_s: from when it was due, or had arrived, to its end; this is held against the deadline.
    """

    ended_s: float
    service_s: float
    latency_s: float


class Session(NamedTuple):
    """What a workload has told of itself since the last observation.

    Args:
        domains: names of the domains that it works on; empty if nobody knows.
        deadline_s: each unit's latency shall not pass it.
        misses: the share of units that may.
        done: since the last observation, oldest first.
        pending_s: ages of the units that have arrived and are not done, oldest first.
        running_s: how long the unit in service has been worked on; None while there is none.
        cpus: that its process may use, where it names no domains; empty if nobody knows.
    """

    name: str
    domains: tuple[str, ...]
    deadline_s: float
    done: tuple[Unit, ...] = ()
    pending_s: tuple[float, ...] = ()
    running_s: float | None = None
    misses: float = 0.01
    cpus: frozenset[int] = frozenset()


class DomainState(NamedTuple):
    """A domain since the last observation.

    Args:
        clock_hz: what it ran at, the mean over time.
        busy: share of its cores' time that was not idle, 0 to 1.
        temperature_c: now; None if it is not known or too old to act upon.
        power_w: what it drew, the mean; None where only the machine's power is metered.
        ceiling_hz: the highest clock that others (a lease, a guard) allow it; infinite if none does.
    """

    clock_hz: float
    busy: float
    temperature_c: float | None = None
    power_w: float | None = None
    ceiling_hz: float = inf


class Observation(NamedTuple):
    """All that a governor sees at one tick.

    Args:
        time_s: a monotonic clock; ticks may come late.
        domains: in the machine's order.
        power_w: of the whole machine, the mean since the last observation; None if it is not known.
        cap_w: what the whole machine may draw; infinite if it is not capped.
        temperatures_c: of what stands in the machine's `limits_c`, and of anything else that is measured.
    """

    time_s: float
    domains: tuple[DomainState, ...]
    power_w: float | None = None
    cap_w: float = inf
    temperatures_c: Mapping[str, float] = {}
    sessions: tuple[Session, ...] = ()


class Decision(NamedTuple):
    """What holds until the next one.

    Args:
        clock_hz: for each domain one of its operating points: it shall not run faster.
        why: the constraint that decided, in words for people.
        numbers: what was expected of this choice, named with units: ``power_w``, ``camera.latency_s``.
    """

    clock_hz: tuple[float, ...]
    why: str = ""
    numbers: Mapping[str, float] = {}


class Governor(Protocol):
    """Decides about clocks.

    Attributes:
        tick_s: how often it wants to be asked.
    """

    tick_s: float

    def decide(self, seen: Observation) -> Decision:
        """The clocks from now on. Never raises; without knowledge it decides what is safe."""
        ...


@runtime_checkable
class Learning(Protocol):
    """What a governor that learns can do besides: hand over what it knows, and take it back later."""

    def memory(self) -> dict[str, Any]:
        """What it has learned, as JSON would hold it."""
        ...

    def recall(self, memory: Mapping[str, Any]) -> None:
        """Go on with what an earlier one has learned; what does not fit this machine is left aside."""
        ...


class MakeGovernor(Protocol):
    """What stands behind an entry point of the group."""

    def __call__(self, machine: Machine) -> Governor:
        """A governor for `machine` that knows nothing yet."""
        ...
