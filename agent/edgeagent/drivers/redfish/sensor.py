"""The `redfish` driver: everything that a BMC measures, however long it takes to say it.

A thread of the driver's own asks the BMC; `read` gives what the last whole look brought, and how old it
is. So the agent's thread is free for the power limit while a BMC thinks for half a minute.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from edgeagent.drivers.counter import TotalsFile
from edgeagent.drivers.poller import Poller
from edgeagent.drivers.redfish import limit
from edgeagent.drivers.redfish.http import Http
from edgeagent.drivers.redfish.limit import Bounds, PowerLimit
from edgeagent.drivers.redfish.look import Pass, look
from edgeagent.drivers.redfish.options import RedfishOptions
from edgeagent.drivers.redfish.readout import Readout
from edgeagent.drivers.redfish.session import Client, Session
from edgeagent.drivers.redfish.tree import Chassis, Source, Walker, serial_number
from edgeagent.drivers.stranger import stranger
from edgeagent.drivers.tls import context
from edgeagent_sdk.channel import Channel, Fault, Value
from edgeagent_sdk.driver import Found, Host, Occurrence, Sensor
from edgeagent_sdk.errors import DriverError
from edgeagent_sdk.messages import Severity
from edgeagent_sdk.names import slug

#: A look that takes longer is not waited for: the one before has an age, and orders must not wait.
_WAIT_S = 1.0

#: How often it is made sure that the machine is still the same.
_SAME_S = 60.0


class RedfishSensor(Sensor):
    """One BMC with all its chassis, or with one."""

    Options = RedfishOptions
    summary = "servers and enclosures by their BMC (Redfish): power, heat, fans, power limit"

    def __init__(self, host: Host, options: RedfishOptions) -> None:
        super().__init__(host, options)
        self._session = Session("", "")
        self._asking: Client | None = None
        self._setting: Client | None = None
        self._poller: Poller[Pass] | None = None
        self._chassis: list[Chassis] = []
        self._readout = Readout()
        self._channels: list[Channel] = []
        self._seen: Pass | None = None
        self._values: list[Value] = []
        self._totals: TotalsFile | None = None
        self._actuators: list[PowerLimit] = []
        self._serial_numbers: dict[str, str] = {}
        self._same_s, self._same_session = 0.0, 0
        self._told: set[str] = set()

    @classmethod
    def discover(cls, host: Host) -> Iterable[Found]:
        """This machine's own BMC, where the firmware tells its address."""
        from edgeagent.drivers.redfish.discovery import discover

        return discover(host)

    def open(self) -> Sequence[Channel]:
        """Log in and find out what the BMC measures."""
        options: RedfishOptions = self.options
        tls = context(options.verify, options.ca_file)
        self._session = Session(options.username, options.secret(), basic=options.auth == "basic")
        self._asking = Client(Http(options.url.rstrip("/"), tls, options.timeout_s), self._session)
        begun_ns = time.monotonic_ns()
        walker = Walker(self._asking, sensors=options.sensors)
        # A BMC may redirect to TLS: no credentials go to where it did so.
        self._setting = Client(Http(self._asking.http.base, tls, options.timeout_s), self._session)
        self._warn_of_the_line(self._asking.http.base)
        self._session.begin(self._asking.http, walker.root.sessions)
        self._chassis = walker.chassis(options.chassis)
        if not self._chassis:
            raise DriverError(
                f"{options.url}: no chassis there shows what it measures", "may the user see it?"
            )
        self._recognize({chassis.name: chassis.serial_number for chassis in self._chassis})
        seen = look(walker.get, self._sources)
        self._channels = self._readout.take_up(seen, several=len(self._chassis) > 1)
        self._restore_totals()
        limited = list(self._limits(walker))
        self._actuators = [limit for _, limit in limited]
        # A bay that is filled anew makes no other machine of those whose limits may have to be given back.
        machines = [chassis for chassis, _ in limited] or self._chassis
        self.identity = "-".join(chassis.serial_number or walker.root.uuid for chassis in machines)
        self._poller = Poller(f"redfish-{slug(options.url)}", self._look, seen, begun_ns)
        return self._channels

    def read(self) -> Sequence[Value]:
        """What the last whole look brought. A look begins with each call, if none is under way."""
        assert self._poller is not None
        seen, begun_ns = self._poller.ask(_WAIT_S)
        self.age_s = (time.monotonic_ns() - begun_ns) / 1e9
        if self.age_s > self.options.max_age_s:
            return [Fault(f"the BMC last gave it {self.age_s:.0f} s ago")] * len(self._channels)
        if strangers := self._readout.strangers(seen):
            names = ", ".join(strangers[:5])
            raise DriverError(f"the BMC shows what it did not show before: {names}", retry_s=1.0)
        if seen is not self._seen:  # the same look twice is no second opinion of a counter that fell
            self._seen, self._values = seen, self._readout.values(seen)
        if self._totals:
            self._totals.save(self._readout.counters)
        return self._values

    def close(self) -> None:
        """Log out, and save the energy's totals; what the BMC is still asked is not waited for."""
        if self._poller:
            self._poller.end()
        if self._asking:
            self._asking.http.close()
        if self._setting:
            self._setting.log_out()
        if self._totals:
            self._totals.save(self._readout.counters, now=True)
        self._poller, self._asking, self._setting, self._actuators = None, None, None, []

    def actuators(self) -> Sequence[PowerLimit]:
        """The power limits."""
        return self._actuators

    def occurrences(self) -> Sequence[Occurrence]:
        """What the operator must know: an open line, a limit that cannot be used, a counter set to 0."""
        news, self._readout.news = self._readout.news, []
        return news

    @property
    def _sources(self) -> list[Source]:
        return [source for chassis in self._chassis for source in chassis.sources]

    def _look(self) -> Pass:
        """On the poller's thread: whether it is still the same machine, and what it measures."""
        client = self._asking
        if client is None:
            raise DriverError("closed")
        seen = look(client.get, self._sources)
        # After the look: it is then that an expired session has shown.
        session = self._session.generation
        if session != self._same_session or time.monotonic() - self._same_s > _SAME_S:
            self._recognize({c.name: serial_number(client.get(c.uri)) for c in self._chassis})
        return seen

    def _recognize(self, now: dict[str, str]) -> None:
        options: RedfishOptions = self.options
        before = self._serial_numbers
        other = {name: number for name, number in now.items() if number != before.get(name, number)}
        if options.serial_number and options.serial_number not in now.values():
            other = other or now
        if other:
            shown = ", ".join(f"{name} {number or 'none'}" for name, number in other.items())
            wanted = options.serial_number or ", ".join(before[name] or "none" for name in other)
            told = f"of {shown}" if any(other.values()) else ""
            raise stranger(options.url, "machine", told, wanted, retry_s=60.0)
        self._serial_numbers = before | now
        self._same_s, self._same_session = time.monotonic(), self._session.generation

    def _restore_totals(self) -> None:
        if self._totals is None and self.host.state_dir and self._readout.counters:
            numbers = "-".join(filter(None, self._serial_numbers.values())) or self.options.url
            self._totals = TotalsFile(self.host.state_dir / f"redfish-{slug(numbers)}.json", numbers)
            self._totals.restore(self._readout.counters)

    def _limits(self, walker: Walker) -> Iterable[tuple[Chassis, PowerLimit]]:
        bounds = Bounds(self.options.limit_min_w, self.options.limit_max_w)
        assert self._setting is not None
        for chassis in self._chassis:
            seen = limit.seen(walker, chassis)
            prefix = f"{slug(chassis.name)}-" if len(self._chassis) > 1 else ""
            info = limit.info(seen, chassis, prefix, bounds) if seen else None
            if seen and info:
                yield chassis, PowerLimit(self._setting, seen.place, info)
            elif seen:
                self._tell(
                    "limit-without-bounds",
                    f"{seen.place.uri} has a power limit, but does not say between which values it may "
                    "be set; set limit_min_w and limit_max_w to use it",
                )

    def _warn_of_the_line(self, base: str) -> None:
        options: RedfishOptions = self.options
        if base.startswith("http:") and options.username:
            self._tell("password-in-clear", f"{base}: the password goes over the network in clear")
        elif base.startswith("https:") and not options.verify:
            self._tell(
                "certificate-not-verified",
                f"{base}: verify = false: whoever answers there is taken for the BMC and gets the "
                "password; give the CA as ca_file instead",
            )

    def _tell(self, kind: str, message: str) -> None:
        """Once: a device that is opened again and again has nothing new to say."""
        if message not in self._told:
            self._told.add(message)
            self._readout.news.append(Occurrence(kind, message, Severity.WARNING))
