"""One domain at work: what is seen of it, what it is driven to, and what is done when another sets it."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any

from edgeagent.drivers.cooling import throttling
from edgeagent.drivers.dvfs.find import Place
from edgeagent.drivers.dvfs.suspects import suspects
from edgeagent_sdk.channel import Fault
from edgeagent_sdk.driver import Drive, Driven, Host, Occurrence, Readings, Source
from edgeagent_sdk.governor import Domain, DomainState
from edgeagent_sdk.messages import Severity

#: Longest time for which a clock is left to another process before it is tried again.
_YIELD_MAX_S = 3600.0

#: After so long in peace, a fight is over: the next one is another one.
_PEACE_S = 600.0

#: While the kernel cools, this often is looked whether it has ended.
_LOOK_S = 1.0


class SteeredDomain:
    """A domain and the drives that bound its clock.

    Args:
        insist: a clock that another process sets is set again; else it is left for `yield_s`, then longer.

    Attributes:
        decided_hz: what was decided last; None while it is left to another process, or before the first time.
        news: what has happened, for whoever takes it out.
    """

    def __init__(self, host: Host, place: Place, *, insist: bool, yield_s: float) -> None:
        self.place, self.decided_hz, self.news = place, None, list[Occurrence]()
        self.seen = DomainState(place.opps_hz[-1], 1.0)
        self._host, self._insist = host, insist
        self._yield_s = self._pause_s = yield_s
        self._left_until_s = self._fought_s = self._changed_s = -inf
        self._cooled_by = ""
        self._met: dict[str, int] = {}
        self._sources: dict[str, Sequence[Source]] = {}

    decided_hz: float | None

    @property
    def described(self) -> Domain:
        """As the governor is told of it."""
        place = self.place
        return Domain(place.name, place.opps_hz, place.cores, place.limit_c)

    def bind(self, place: Place, readings: Readings) -> None:
        """Find the channels that tell of it; devices have come or gone."""
        self.place = place
        patterns = {key: getattr(place, key) for key in ("clock", "busy", "temperature", "power")}
        self._sources = {key: readings.find(pattern) if pattern else () for key, pattern in patterns.items()}

    @property
    def readable(self) -> bool:
        """Whether all that tells of it can be read."""
        return not any(isinstance(s.latest()[0], Fault) for each in self._sources.values() for s in each)

    def observe(self, now_s: float) -> DomainState:
        """What is known of it now; a sensor that is stale tells nothing."""
        clocks, busy = self._clocks_hz(now_s), self._values("busy")
        heat, power = self._values("temperature"), self._values("power")
        place = self.place
        self.seen = DomainState(
            clock_hz=sum(clocks) / len(clocks) if clocks else self.decided_hz or place.opps_hz[-1],
            busy=self._busy(max(busy)) if busy else 1.0,  # whoever cannot say so may have much to do
            temperature_c=max(heat, default=None),
            power_w=sum(power) if power and len(power) == len(self._sources["power"]) else None,
            ceiling_hz=place.hz * min(_ceiling(drive.state) for drive in place.drives),
        )
        return self.seen

    def drive(self, clock_hz: float, now_s: float) -> bool:
        """Have it run at the operating point below `clock_hz` at most; whether that is a change."""
        for drive in self.place.drives:
            self._watch(drive, now_s)
        if now_s < self._left_until_s or (self.decided_hz is None and self._cools(now_s)):
            return False
        point_hz = max(
            (hz for hz in self.place.opps_hz if hz <= clock_hz * (1 + 1e-9)), default=self.place.opps_hz[0]
        )
        changed, self.decided_hz = point_hz != self.decided_hz, point_hz
        self._changed_s = now_s if changed else self._changed_s
        for drive in self.place.drives:
            drive.drive(point_hz / self.place.hz, insist=self._insist)
        return changed

    def let_go(self) -> None:
        """Have all of it given back."""
        self.decided_hz = None
        for drive in self.place.drives:
            drive.let_go()

    def explain(self) -> dict[str, Any]:
        """What is known of it, as JSON would hold it."""
        states = [drive.state for drive in self.place.drives]
        bound = min(states, key=_ceiling)
        bounded = self.seen.ceiling_hz < self.place.opps_hz[-1]
        return {
            "name": self.place.name,
            "clock_hz": self.seen.clock_hz,
            "decided_hz": self.decided_hz,
            "busy": self.seen.busy,
            "temperature_c": self.seen.temperature_c,
            "limit_c": _finite(self.place.limit_c),
            "power_w": self.seen.power_w,
            "ceiling_hz": self.seen.ceiling_hz if bounded else None,
            "ceiling_by": _bound_by(bound) if bounded else "",
            "fault": next((state.fault for state in states if state.fault), ""),
            "sensors": {key: [_name(s) for s in sources] for key, sources in self._sources.items()},
        }

    def _cools(self, now_s: float) -> bool:
        """Whether the kernel itself slows clocks down: what they are bound to then is no original to keep."""
        before, self._cooled_by = self._cooled_by, throttling(self._host)
        if self._cooled_by:
            self._left_until_s = now_s + _LOOK_S
        if self._cooled_by and not before:
            words = f"the kernel cools by {self._cooled_by}; it is steered once that has ended"
            self._tell("kernel-throttles", words, Severity.WARNING)
        return bool(self._cooled_by)

    def _watch(self, drive: Drive, now_s: float) -> None:
        """See whether another process has set it since it was looked at last."""
        state, name = drive.state, f"{drive.device}/{drive.info.name}"
        before = self._met.setdefault(name, 0)
        self._met[name] = state.met
        if state.met > before and state.found is not None:
            self._fight(name, state.found, now_s)

    def _busy(self, share: float) -> float:
        if not self.place.busy_of_all or not self.decided_hz:
            return share
        return min(1.0, share * self.place.opps_hz[-1] / self.decided_hz)

    def _fight(self, name: str, found: float, now_s: float) -> None:
        again = now_s < self._fought_s + _PEACE_S
        if self._insist and again:
            self._fought_s = now_s
            return
        self._pause_s = min(2 * self._pause_s, _YIELD_MAX_S) if again else self._yield_s
        who = ", ".join(suspects(self._host)) or "not one of those that are known to"
        then = "it is set again" if self._insist else f"it is left so for {self._pause_s:g} s"
        words = f"another process has set {name} to {found:g}; {then}. Who could: {who}"
        self._tell("governor-fight", words, Severity.WARNING)
        self._fought_s = now_s
        if not self._insist:
            self._left_until_s = now_s + self._pause_s
            self._fought_s += self._pause_s
            self.let_go()

    def _tell(self, kind: str, words: str, severity: Severity) -> None:
        self.news.append(Occurrence(kind, f"{self.place.name}: {words}", severity, self.place.name))

    def _clocks_hz(self, now_s: float) -> list[float]:
        """The clocks that were read since they were changed last."""
        latest = [source.latest() for source in self._sources.get("clock", ())]
        return [v for v, age_s in latest if not isinstance(v, Fault) and age_s <= now_s - self._changed_s]

    def _values(self, key: str) -> list[float]:
        """What these channels say now; those that are faulty or stale say nothing."""
        latest = (source.latest()[0] for source in self._sources.get(key, ()))
        return [value for value in latest if not isinstance(value, Fault)]


def _bounds(state: Driven) -> dict[str, float]:
    """By what it cannot be set higher, and where that is."""
    stuck = state.fault and state.value is not None
    return {
        state.whose: state.ceiling,
        "as it was found": state.original,
        "it refuses": state.value if stuck and state.value is not None else inf,
        "another process": inf if state.found is None else state.found,
    }


def _ceiling(state: Driven) -> float:
    return min(_bounds(state).values())


def _bound_by(state: Driven) -> str:
    bounds = _bounds(state)
    return min(bounds, key=lambda who: bounds[who])


def _name(source: Source) -> str:
    return "/".join((source.device, *source.channel.key))


def _finite(value: float) -> float | None:
    return value if value < inf else None
