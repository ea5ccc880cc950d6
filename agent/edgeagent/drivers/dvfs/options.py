"""The keys of a `dvfs` device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.metadata import EntryPoint
from typing import Annotated, Any, Literal

import msgspec

from edgeagent_sdk.config import ConfigError, Problem
from edgeagent_sdk.driver import Options, Readings
from edgeagent_sdk.errors import NameInvalid, PluginError
from edgeagent_sdk.governor import GROUP, MakeGovernor
from edgeagent_sdk.names import check_name
from edgeagent_sdk.plugins import installed, load, nearest


def _key(description: str, **bounds: Any) -> Any:
    return msgspec.Meta(description=description, **bounds)


class DomainOptions(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One ``[[device.domains]]``: clocks that are decided together, and what tells of them."""

    name: Annotated[str, _key("what it is called in channels and by workloads")]
    actuator: Annotated[
        str, _key("what bounds its clock: device/actuator; with * and ? several are set alike")
    ]
    clock: Annotated[str, _key("its clock: device/frequency/channel; by default found by the actuator")] = ""
    busy: Annotated[
        str, _key("how busy it is: device/utilization/channel; by default found by the actuator")
    ] = ""
    temperature: Annotated[
        str, _key("its temperature: device/temperature/channel; of several the highest; by default guessed")
    ] = ""
    power: Annotated[str, _key("what it draws: device/power/channel; of several the sum")] = ""
    limit_c: Annotated[
        float, _key("temperature that it must not pass; 0 for the kernel's passive trip point", ge=0)
    ] = 0.0
    cores: Annotated[int, _key("how many share the clock; 0 for as many as the kernel tells", ge=0)] = 0

    def __post_init__(self) -> None:
        """See that each key is in its form. Raises ConfigError."""
        problems = list(_bad_name("name", self.name))
        if self.actuator.count("/") != 1:
            problems.append(("actuator", f"{self.actuator!r} is not device/actuator"))
        for quantity, key in _CHANNELS:
            problems += _bad_pattern(key, getattr(self, key), quantity)
        _complain(problems)


class DvfsOptions(Options):
    """Which governor steers what, and within which power."""

    governor: Annotated[
        str,
        _key("who decides: a name in the entry-point group edgeagent.governors, or package.module:object"),
    ] = "edge"
    domains: Annotated[
        tuple[DomainOptions, ...], _key("what is steered; by default every CPU and GPU clock of the node")
    ] = ()
    power: Annotated[
        str,
        _key("what the whole machine draws: device/power/channel; of several the sum; by default guessed"),
    ] = ""
    cap_w: Annotated[float, _key("what the machine may ever draw; 0 for no such bound", ge=0)] = 0.0
    power_max_w: Annotated[float, _key("no lease on the actuator `power` is above it", gt=1)] = 10_000.0
    on_fight: Annotated[
        Literal["yield", "insist"],
        _key("a clock that another process sets: leave it to that for a while, or set it again"),
    ] = "yield"
    yield_s: Annotated[
        float, _key("so long it is left to the other process, and twice as long each further time", gt=0)
    ] = 60.0
    sessions: Annotated[
        tuple[str, ...], _key("workloads whose latency and misses get channels of their own, by name")
    ] = ()

    def __post_init__(self) -> None:
        """See that it all can be. Raises ConfigError."""
        _complain(self._problems())

    def maker(self) -> MakeGovernor:
        """What makes the governor. Raises EdgeError if it cannot be had."""
        if ":" not in self.governor:
            return load(GROUP, self.governor)  # type: ignore[no-any-return]
        try:
            return EntryPoint(self.governor, self.governor, GROUP).load()  # type: ignore[no-any-return]
        except Exception as error:  # a governor is anybody's code
            raise PluginError(f"governor {self.governor!r} cannot be loaded: {error}") from None

    def astray(self, readings: Readings) -> Iterator[tuple[str, str]]:
        """Keys that name a device which the node does not have, and why."""
        named = [("power", "", self.power)]
        for domain in self.domains:
            keys = ("actuator", *(key for _, key in _CHANNELS))
            named += [("domains", f"{domain.name}.{key}: ", getattr(domain, key)) for key in keys]
        for key, whose, pattern in named:
            if pattern and not readings.waiting(pattern):
                device = pattern.partition("/")[0]
                yield key, f"{whose}no [[device]] is named {device!r}"

    def _problems(self) -> Iterator[tuple[str, str]]:
        known = installed(GROUP)
        if ":" not in self.governor and self.governor not in known:
            yield "governor", f"unknown governor {self.governor!r}; {nearest(self.governor, list(known))}"
        names = [domain.name for domain in self.domains]
        for name in {name for name in names if names.count(name) > 1}:
            yield "domains", f"two are called {name!r}; give each domain a name of its own"
        yield from _bad_pattern("power", self.power, "power")
        for name in self.sessions:
            yield from _bad_name("sessions", name)


#: The channels of a domain: quantity, and key.
_CHANNELS = (
    ("frequency", "clock"),
    ("utilization", "busy"),
    ("temperature", "temperature"),
    ("power", "power"),
)


def _complain(problems: Iterable[tuple[str, str]]) -> None:
    if found := [Problem("", 0, key, words) for key, words in problems]:
        raise ConfigError(found)


def _bad_name(key: str, name: str) -> Iterator[tuple[str, str]]:
    try:
        check_name(name, key)
    except NameInvalid as error:
        yield key, str(error)


def _bad_pattern(key: str, pattern: str, quantity: str) -> Iterator[tuple[str, str]]:
    parts = pattern.split("/")
    if pattern and (len(parts) != 3 or parts[1] != quantity):
        yield key, f"{pattern!r} is not device/{quantity}/channel"
