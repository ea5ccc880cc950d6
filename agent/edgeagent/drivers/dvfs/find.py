"""Which clocks there are to steer, and what tells of them: found by names where nothing is configured.

Sources: Linux, Documentation/admin-guide/pm/cpufreq.rst (a policy's CPUs), driver-api/thermal/sysfs-api.rst
(trip points, m°C), ABI/testing/sysfs-class-devfreq; NVIDIA, NVML API Reference.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from math import inf
from pathlib import Path
from typing import NamedTuple

from edgeagent.drivers.dvfs.options import DomainOptions, DvfsOptions
from edgeagent.drivers.sysfs import listing, number, text
from edgeagent_sdk.driver import Actuators, Drive, Host, Readings, Source
from edgeagent_sdk.errors import DriverError
from edgeagent_sdk.names import slug, unique

_POLICIES = "/sys/devices/system/cpu/cpufreq"
_ZONES = "/sys/class/thermal"

#: Where an actuator tells no choices of its own, so many are made, evenly over its range.
_STEPS = 12

#: Of a GPU with many, every other one goes until so few are left: its clocks are finer than its power is.
_CHOICES_MAX = 16


class Kind(NamedTuple):
    """How clocks of one kind, and what tells of them, are called.

    In what follows the actuator's pattern, ``{device}`` is its device, and ``{stem}`` its name without
    ``-max``.

    Args:
        name: of the domain.
        clock, busy: channels of the actuator's device; no clock where what is decided is the clock.
        temperatures: patterns of channels of any device; the first that is there counts.
        hz: what one unit of the actuator is worth. A share of time stands in the place of a clock where there
            is none to set, and all of the time counts as 1 GHz: a governor only compares clocks.
        unasked: whether it is steered where the configuration names no domains.
    """

    actuator: str
    name: str
    clock: str
    busy: str
    temperatures: tuple[str, ...]
    power: str = ""
    hz: float = 1.0
    unasked: bool = True


_GPU_HEAT = ("*/temperature/*gpu*",)
_CPU_HEAT = (
    "*/temperature/*cpu*",
    "*/temperature/x86_pkg_temp",
    "*/temperature/*package*",
    "*/temperature/tctl*",
    "*/temperature/*soc*",
    "*/temperature/*core*",
)

KINDS = (
    Kind("policy*-max", "{stem}", "{stem}", "{stem}-busy", _CPU_HEAT),
    Kind("sm-clock-limit", "{device}", "sm", "gpu", ("{device}/temperature/core",), "{device}/power/board"),
    Kind("*gpu*-max", "gpu", "{stem}", "{stem}", _GPU_HEAT),
    Kind("*mali*-max", "gpu", "{stem}", "{stem}", _GPU_HEAT),
    Kind("quota", "{device}", "", "busy", _CPU_HEAT, hz=1e9, unasked=False),
)

#: A clock of no known kind: what tells of it, but for its clock, is for the configuration to say.
_UNKNOWN = Kind("*", "{stem}", "{stem}", "{stem}", ())

#: What a machine's whole power may be called; the first that is there counts, several of it are added up.
_POWERS = (
    "*/power/psys",
    "*/power/input",
    "*/power/in",
    "*/power/total",
    "*/power/package-*",
    "*/power/board",
)


class Place(NamedTuple):
    """A domain as it is on this machine.

    Args:
        drives: what bounds its clock; all are set alike.
        clock, busy, temperature, power: patterns of the channels that tell of it; empty for none.
        cpus: numbers of the CPUs that it clocks.
        hz: what one unit of the actuators is worth.
        busy_of_all: `busy` is a share of all that the machine has, not of what is left of it at this clock.
    """

    name: str
    drives: tuple[Drive, ...]
    opps_hz: tuple[float, ...]
    cores: int
    limit_c: float
    clock: str
    busy: str
    temperature: str
    power: str
    cpus: frozenset[int]
    hz: float = 1.0
    busy_of_all: bool = False


def places(host: Host, options: DvfsOptions, actuators: Actuators, readings: Readings) -> list[Place]:
    """The domains that are configured, or else all that are found. Raises DriverError."""
    wanted = options.domains or list(_found(actuators))
    if not wanted:
        raise DriverError(
            "no clock to steer: no device of the drivers cpufreq, devfreq or nvml offers one",
            "configure such a device, or name the clocks in `domains`",
        )
    return [_place(host, domain, actuators, readings) for domain in wanted]


def power(options: DvfsOptions, readings: Readings) -> list[Source]:
    """What tells the power of the whole machine; nothing if it is not known."""
    return next((found for pattern in _powers(options) if (found := list(readings.find(pattern)))), [])


def _powers(options: DvfsOptions) -> Sequence[str]:
    return (options.power,) if options.power else _POWERS


def _found(actuators: Actuators) -> Iterator[DomainOptions]:
    """A domain for each clock of a kind that we know."""
    known = [(drive, kind) for drive in actuators.find("*/*") if (kind := _kind(drive))]
    drives = [(drive, kind) for drive, kind in known if kind.unasked]
    usual = [_fill(kind.name, drive) for drive, kind in drives]
    # One GPU is `gpu`, of several each bears the name of its clock.
    own = [name if usual.count(name) == 1 else _fill("{stem}", drives[i][0]) for i, name in enumerate(usual)]
    names = unique([slug(name) for name in own])
    for name, (drive, _) in zip(names, drives, strict=True):
        yield DomainOptions(name=name, actuator=f"{drive.device}/{drive.info.name}")


def _kind(drive: Drive) -> Kind | None:
    quantity = "duty" if drive.info.name == "quota" else "frequency"
    if drive.info.quantity != quantity:
        return None
    return next((kind for kind in KINDS if fnmatchcase(drive.info.name, kind.actuator)), None)


def _fill(pattern: str, drive: Drive) -> str:
    return pattern.format(device=drive.device, stem=drive.info.name.removesuffix("-max"))


def _place(host: Host, domain: DomainOptions, actuators: Actuators, readings: Readings) -> Place:
    drives = tuple(actuators.find(domain.actuator))
    if not drives:
        raise DriverError(f"domain {domain.name}: there is no actuator {domain.actuator}")
    first = drives[0]
    kind = _kind(first) or _UNKNOWN
    if kind is _UNKNOWN and first.info.quantity != "frequency":
        raise DriverError(f"domain {domain.name}: {domain.actuator} sets a {first.info.quantity}, no clock")
    cpus = frozenset(cpu for drive in drives for cpu in _cpus(host, drive))
    temperature = domain.temperature or _temperature(host, kind, drives, cpus, readings)
    return Place(
        domain.name,
        drives,
        tuple(kind.hz * value for value in choices(first)),
        domain.cores or len(cpus) or 1,
        domain.limit_c or trip_point_c(host, temperature),
        domain.clock or (f"{first.device}/frequency/{_fill(kind.clock, first)}" if kind.clock else ""),
        domain.busy or f"{first.device}/utilization/{_fill(kind.busy, first)}",
        temperature,
        domain.power or _fill(kind.power, first),
        cpus,
        kind.hz,
        busy_of_all=not kind.clock and not domain.busy,
    )


def choices(drive: Drive) -> tuple[float, ...]:
    """The settings among which is chosen, ascending, in the actuator's unit."""
    info = drive.info
    found = [value for value in info.choices if info.minimum <= value <= info.maximum]
    if len(found) < 2:
        step = (info.maximum - info.minimum) / _STEPS
        found = [info.minimum + i * step for i in range(_STEPS + 1)]
        if info.step:
            found = sorted({round(value / info.step) * info.step for value in found})
    while len(found) > _CHOICES_MAX:
        found = found[::-1][::2][::-1]  # the highest stays
    return tuple(found)


def _cpus(host: Host, drive: Drive) -> list[int]:
    policy = drive.info.name.removesuffix("-max")
    words = text(host.path(_POLICIES) / policy / "related_cpus").split() if policy else []
    return [int(word) for word in words if word.isdigit()]


def idle_governor(host: Host, drive: Drive) -> str:
    """The kernel's governor that never uses the bound of this clock; empty if it does.

    ``powersave`` stays at the lowest clock, but for drivers that choose by themselves and only call it so.
    """
    policy = host.path(_POLICIES) / drive.info.name.removesuffix("-max")
    chooses = text(policy / "scaling_driver") in ("intel_pstate", "amd-pstate-epp", "amd-pstate")
    return "powersave" if text(policy / "scaling_governor") == "powersave" and not chooses else ""


def _temperature(
    host: Host, kind: Kind, drives: Sequence[Drive], cpus: frozenset[int], readings: Readings
) -> str:
    """The zone that the kernel cools by this clock; else the first of the kind's patterns that is there."""
    coolers = {f"cpufreq-cpu{cpu}" for cpu in cpus}
    coolers |= {f"devfreq-{drive.info.name.removesuffix('-max')}" for drive in drives}
    zones = [f"*/temperature/{name}" for name, zone in _zones(host).items() if coolers & _coolers(zone)]
    patterns = [*zones, *(_fill(pattern, drives[0]) for pattern in kind.temperatures)]
    return next((pattern for pattern in patterns if readings.find(pattern)), "")


def _zones(host: Host) -> dict[str, Path]:
    """The kernel's thermal zones, by the names that the driver `thermal` gives their channels."""
    zones = listing(host.path(_ZONES), "thermal_zone*")
    return dict(zip(unique([slug(text(zone / "type", zone.name)) for zone in zones]), zones, strict=True))


def _coolers(zone: Path) -> set[str]:
    """The kernel's names of what cools a zone."""
    return {text(kind) for kind in listing(zone, "cdev*/type")}


def trip_point_c(host: Host, pattern: str) -> float:
    """The lowest temperature at which the kernel itself begins to slow down what `pattern` tells of.

    Infinite if the kernel has no such point.
    """
    wanted = pattern.rpartition("/")[2]
    trips = [
        temperature / 1e3
        for name, zone in _zones(host).items()
        if fnmatchcase(name, wanted)
        for kind in listing(zone, "trip_point_*_type")
        if text(kind) == "passive"
        and (temperature := number(kind.with_name(kind.name.replace("_type", "_temp"))))
        and temperature > 0
    ]
    return min(trips, default=inf)
