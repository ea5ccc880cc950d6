"""The `nut` driver: one UPS by its upsd."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from edgeagent.drivers.nut.client import Client, Stale
from edgeagent.drivers.nut.options import NutOptions
from edgeagent.drivers.nut.variables import STATUS, channel, code, status_channel, status_words, value
from edgeagent.drivers.stranger import stranger
from edgeagent.drivers.tls import context
from edgeagent_sdk.channel import Channel, Fault, Value
from edgeagent_sdk.driver import Found, Host, Occurrence, Sensor
from edgeagent_sdk.errors import DriverError
from edgeagent_sdk.messages import Severity

_SERIAL_NUMBERS = ("device.serial", "ups.serial")


class NutSensor(Sensor):
    """One UPS: power, load, battery, and its status as a coded state."""

    Options = NutOptions
    summary = "UPSes behind Network UPS Tools (upsd): status, load, battery, power"

    def __init__(self, host: Host, options: NutOptions) -> None:
        super().__init__(host, options)
        self._client: Client | None = None
        self._ups = ""
        self._channels: dict[str, Channel] = {}
        self._serial_number = ""
        self._words: list[str] | None = None
        self._news: list[Occurrence] = []
        self._told = False

    @classmethod
    def discover(cls, host: Host) -> Iterable[Found]:
        """The UPSes of an upsd on this machine."""
        from edgeagent.drivers.nut.discovery import discover

        return discover(host)

    def open(self) -> Sequence[Channel]:
        """Connect, and see what the UPS measures."""
        options: NutOptions = self.options
        tls = context(options.verify, options.ca_file) if options.tls else None
        client = self._client = Client(options.address, options.port, options.timeout_s, tls)
        self._ups = _choose(client, options.ups)
        if options.username:
            client.login(options.username, options.secret(), self._ups)
        self._warn_of_the_line()
        variables = client.variables(self._ups)
        self._recognize(variables)
        found = {variable: made for variable in variables if (made := channel(variable))}
        # What was ever seen stays a channel, a fault while it is away.
        self._channels |= {
            variable: made for variable, made in found.items() if variable not in self._channels
        }
        return [status_channel(), *self._channels.values()]

    def read(self) -> Sequence[Value]:
        """All variables, by one request."""
        assert self._client is not None
        try:
            variables = self._client.variables(self._ups)
        except Stale as stale:
            return [Fault(str(stale))] * (1 + len(self._channels))
        self._recognize(variables)
        strangers = [name for name in variables if name not in self._channels and channel(name)]
        if strangers:
            names = ", ".join(strangers[:5])
            raise DriverError(f"the UPS shows what it did not show before: {names}", retry_s=1.0)
        words = status_words(variables)
        self._tell_status(words)
        return [code(words), *(value(variable, variables) for variable in self._channels)]

    def close(self) -> None:
        """Log out."""
        if self._client:
            self._client.close()
        self._client = None

    def occurrences(self) -> Sequence[Occurrence]:
        """Changes of the status, and an open line."""
        news, self._news = self._news, []
        return news

    def _recognize(self, variables: dict[str, str]) -> None:
        number = next((variables[name].strip() for name in _SERIAL_NUMBERS if variables.get(name)), "")
        wanted = self.options.serial_number or self._serial_number
        if wanted and number != wanted and (number or self.options.serial_number):
            raise stranger(self._ups, "UPS", number, wanted, retry_s=60.0)
        self.identity = self._serial_number = self._serial_number or number

    def _tell_status(self, words: list[str]) -> None:
        if words == self._words:
            return
        new = set(words) - set(self._words or ())
        severities = [STATUS[word].severity for word in new if word in STATUS]
        severity = max(severities, key=list(Severity).index, default=Severity.INFO)
        if self._words is not None or severity is not Severity.INFO:
            meaning = ", ".join(STATUS[w].meaning if w in STATUS else w for w in words) or "unknown"
            self._news.append(Occurrence("ups-status", f"the UPS is {meaning}", severity, "status"))
        self._words = words

    def _warn_of_the_line(self) -> None:
        options: NutOptions = self.options
        local = options.address in ("127.0.0.1", "::1", "localhost")
        if self._told or not options.username or local or (options.tls and options.verify):
            return
        self._told = True
        how = "to whoever answers there (verify = false)" if options.tls else "over the network in clear"
        text = f"upsd {options.address}: the password goes {how}"
        self._news.append(Occurrence("password-in-clear", text, Severity.WARNING))


def _choose(client: Client, wanted: str) -> str:
    upses = client.upses()
    if wanted in upses:
        return wanted
    if len(upses) == 1 and not wanted:
        return next(iter(upses))
    known = ", ".join(upses) or "none"
    raise DriverError(
        f"{client.where}: no UPS {wanted!r}" if wanted else f"{client.where}: which UPS?",
        f"set ups to one of: {known}",
    )
