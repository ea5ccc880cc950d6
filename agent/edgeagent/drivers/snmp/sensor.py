"""The `snmp` driver: a PDU or another device with power and thermal tables, by the profile of its MIB."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgeagent.drivers.counter import WrapCounter
from edgeagent.drivers.snmp.actuators import OutletActuator
from edgeagent.drivers.snmp.ber import VarValue
from edgeagent.drivers.snmp.layout import Point, survey
from edgeagent.drivers.snmp.options import SnmpOptions, new_session
from edgeagent.drivers.snmp.reader import Changed, Reader
from edgeagent.drivers.snmp.recognition import UPTIME, Identity, find_profile, has_restarted, identify
from edgeagent.drivers.snmp.session import Session
from edgeagent.drivers.snmp.walk import text
from edgeagent.drivers.stranger import stranger
from edgeagent.drivers.totals import Totals
from edgeagent_sdk.channel import Channel, Fault, Value
from edgeagent_sdk.driver import Host, Occurrence, Sensor
from edgeagent_sdk.errors import DriverError
from edgeagent_sdk.messages import Severity
from edgeagent_sdk.names import slug

_ENERGY = "energy"

#: No PDU of today passes more; what a counter gains beyond it is no energy.
_POWER_MAX_W = 1e7


class SnmpSensor(Sensor):
    """One SNMP agent."""

    Options = SnmpOptions
    summary = "power and thermal tables of a PDU or another device, and its outlets (SNMP v2c, v3)"

    def __init__(self, host: Host, options: SnmpOptions) -> None:
        super().__init__(host, options)
        self._session: Session | None = None
        self._points: list[Point] = []
        self._reader: Reader | None = None
        self._identity = Identity(None, "", {})
        self._serial_number: str = options.serial_number
        self._totals: Totals | None = None
        self._uptime: int | None = None
        self._news: list[Occurrence] = []

    def open(self) -> Sequence[Channel]:
        """Find out what the device is, that it is the one of before, and what it has."""
        options: SnmpOptions = self.options
        session = self._session = new_session(options)
        profile = find_profile(session, options.profile)
        profile.check_tables(options.tables)
        self._identity = identity = identify(session, profile)
        self._recognize(identity.serial_number)
        self.identity = identity.serial_number or identity.engine_id
        layout = survey(session, profile, options.tables)
        if not layout.points:
            raise DriverError(
                f"{session.where}: none of what the profile {profile.title!r} reads is there",
                "see that this community or user may see it, or set another profile",
            )
        self._points = layout.points
        self._reader = Reader(
            [*self._about(), *_instances(layout.points)], layout.blocks, layout.sizes, options.answer_bytes
        )
        self._take_up_totals()
        return [point.channel for point in layout.points]

    def read(self) -> Sequence[Value]:
        """Everything, in a few requests."""
        session, reader = self._session, self._reader
        assert session is not None and reader is not None
        numbers = reader.read(session)
        about = len(self._about())
        self._check(numbers[:about])
        return self._values(iter(numbers[about:]))

    def close(self) -> None:
        """Close the socket and save the totals."""
        if self._totals:
            self._totals.save(now=True)
        if self._session:
            self._session.close()
        self._session = self._reader = None

    def actuators(self) -> Sequence[OutletActuator]:
        """The outlets that can be switched."""
        session = self._session
        if session is None:
            return []
        switched = [point for point in self._points if point.switch]
        return [OutletActuator(session, point, self._recognize_now) for point in switched]

    def occurrences(self) -> Sequence[Occurrence]:
        """Restarts of the device."""
        news, self._news = self._news, []
        return news

    @property
    def _where(self) -> str:
        return self._session.where if self._session else self.options.host

    def _about(self) -> list[bytes]:
        """What is read along with the values, to see that the device is still what it was."""
        serial = [self._identity.serial] if self._identity.serial else []
        return [UPTIME, *serial, *self._identity.watched]

    def _check(self, answers: Sequence[VarValue]) -> None:
        uptime, *others = answers
        if self._identity.serial:
            self._recognize(text(others.pop(0)))
        if others != list(self._identity.watched.values()):
            raise Changed(self._where)
        if isinstance(uptime, int):
            if self._uptime is not None and has_restarted(self._uptime, uptime):
                self._news.append(
                    Occurrence(
                        "device-restarted",
                        f"its SNMP agent runs for {uptime / 100:.0f} s only: it has restarted",
                        Severity.WARNING,
                        age_s=uptime / 100,
                    )
                )
            self._uptime = uptime

    def _recognize(self, serial_number: str) -> None:
        if serial_number != (self._serial_number or serial_number):
            raise stranger(self._where, "device", serial_number, self._serial_number, retry_s=5.0)
        self._serial_number = serial_number

    def _recognize_now(self) -> None:
        """No outlet of another device is ever switched, whatever happened since the last pass."""
        if self._session and self._identity.serial:
            self._recognize(text(self._session.get([self._identity.serial])[0]))

    def _take_up_totals(self) -> None:
        """Go on counting where the last run, or the time before the rows changed, left off."""
        if self._totals is None:
            name = slug(self._serial_number or f"{self.options.host}-{self.options.port}")
            state = self.host.state_dir and self.host.state_dir / f"snmp-{name}.json"
            self._totals = Totals(state, name)
        counted = [point for point in self._points if point.channel.quantity.name == _ENERGY]
        self._totals.adopt(
            {"/".join(point.channel.key): WrapCounter(point.wraps_at, _POWER_MAX_W) for point in counted}
        )

    def _values(self, numbers: Iterator[VarValue]) -> list[Value]:
        totals = self._totals
        assert totals is not None
        values: list[Value] = []
        for point in self._points:
            value = point.scale.value(next(numbers))
            if point.state:
                trouble = point.faults.get(next(numbers))
                value = Fault(f"the device says: {trouble}") if trouble else value
            if point.channel.quantity.name == _ENERGY:
                value = totals.take(point.channel, value)
            values.append(value)
        totals.save()
        return values


def _instances(points: Sequence[Point]) -> list[bytes]:
    """Value and state of each point."""
    return [name for point in points for name in (point.value, point.state) if name]
