"""Which files Linux shows of a server, and what stands in them.

| path | what (page of the kernel's Documentation, unit) | obeys writes |
|---|---|---|
| ``cpufreq/policyN`` | clock of CPU N (admin-guide/pm, kHz) | ``scaling_max_freq`` |
| ``powercap/intel-rapl:N`` | energy and limit (power/powercap, µJ, µW) | ``constraint_0_power_limit_uw`` |
| ``devfreq/GPU`` | clock of a GPU (ABI/testing/sysfs-class-devfreq, Hz) | ``max_freq`` |
| ``hwmon``, chip GPU | its temperature, power, clock (gpu/amdgpu/thermal.rst) | ``power1_cap`` |
| ``hwmon``, chip ``chips`` | temperature of each component (hwmon/sysfs-interface.rst) | |
| ``hwmon``, chip ``chassis`` | input power and energy, DC bus, air, fans | |
| ``thermal/thermal_zoneN`` | temperature of component N (driver-api/thermal, m°C), and what cools it | |
| ``/proc/stat`` | busy and idle times of each CPU (proc_stat(5), `cputimes`) | |
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from edgeagent_hil.twin import Site, SiteOutputs, SiteState
from edgeagent_hil.twin.kinds import Component
from edgeagent_hil.twin.supplies import bus

#: RAPL counters of Intel's server packages begin again after this many µJ.
ENERGY_RANGE_UJ: Final = 262_143_328_850

_CPUFREQ: Final = "sys/devices/system/cpu/cpufreq"
_POWERCAP: Final = "sys/class/powercap"
_DEVFREQ: Final = "sys/class/devfreq"
_HWMON: Final = "sys/class/hwmon"
_THERMAL: Final = "sys/class/thermal"

_CHIPS, _CHASSIS = f"{_HWMON}/hwmon0", f"{_HWMON}/hwmon1"

_CHASSIS_LABELS: Final = {
    "power1": "input",
    "energy1": "input",
    "in1": "bus",
    "curr1": "bus",
    "temp1": "inlet",
    "temp2": "outlet",
}


class Now(NamedTuple):
    """The moment that a file's number is of."""

    state: SiteState
    outputs: SiteOutputs


class Number(NamedTuple):
    """A file with a number that follows the twin."""

    path: str
    value: Callable[[Now], float]


class Limit(NamedTuple):
    """A file with a limit that the twin follows: `quantity` of component `part`; a count is `1 / scale`."""

    path: str
    part: int
    quantity: str
    scale: float
    least: float
    most: float

    def spelled(self, value: float) -> str:
        """How the file spells a limit."""
        return str(round(value * self.scale))


def texts(parts: Sequence[Component]) -> Iterator[tuple[str, str]]:
    """Files that never change: path and content."""
    yield "proc/sys/kernel/random/boot_id", "7d1f0c5e-0000-4000-8000-000000000000"
    yield f"{_CHIPS}/name", "chips"
    yield f"{_CHASSIS}/name", "chassis"
    for file, label in _CHASSIS_LABELS.items():
        yield f"{_CHASSIS}/{file}_label", label
    for i, part in enumerate(parts):
        yield f"{_CHIPS}/temp{i + 1}_label", part.name
        yield f"{_THERMAL}/thermal_zone{i}/type", f"{part.name}-thermal"
        yield f"{_THERMAL}/thermal_zone{i}/trip_point_0_type", "passive"
        yield f"{_THERMAL}/thermal_zone{i}/trip_point_0_temp", str(round(part.throttle_c * 1e3))
    first_cpu = 0
    for number, i, part in _of_type(parts, "cpu"):
        yield f"{_THERMAL}/thermal_zone{i}/cdev0/type", f"cpufreq-cpu{first_cpu}"
        yield from _policy(f"{_CPUFREQ}/policy{number}", part, first_cpu)
        yield from _zone(f"{_POWERCAP}/intel-rapl:{number}", part)
        first_cpu += part.cores
    for number, i, part in _of_type(parts, "gpu"):
        yield f"{_THERMAL}/thermal_zone{i}/cdev0/type", f"devfreq-{part.name}"
        yield from _gpu(f"{_DEVFREQ}/{part.name}", _card(number), part)


def limits(parts: Sequence[Component]) -> Iterator[Limit]:
    """Files that are obeyed."""
    for number, i, part in _of_type(parts, "cpu"):
        clocks = part.points_hz_v[0][0], part.points_hz_v[-1][0]
        yield Limit(f"{_CPUFREQ}/policy{number}/scaling_max_freq", i, "clock_max_hz", 1e-3, *clocks)
        if part.cap_w:
            file = f"{_POWERCAP}/intel-rapl:{number}/constraint_0_power_limit_uw"
            yield Limit(file, i, "cap_w", 1e6, *part.cap_w)
    for number, i, part in _of_type(parts, "gpu"):
        clocks = part.points_hz_v[0][0], part.points_hz_v[-1][0]
        yield Limit(f"{_DEVFREQ}/{part.name}/max_freq", i, "clock_max_hz", 1.0, *clocks)
        if part.cap_w:
            yield Limit(f"{_card(number)}/power1_cap", i, "cap_w", 1e6, *part.cap_w)


def numbers(site: Site, server: int) -> Iterator[Number]:
    """Files that follow the twin."""
    parts = site.servers.kind_of(server).components

    def of_part(name: str, part: int, scale: float) -> Callable[[Now], float]:
        return lambda now: scale * float(getattr(now.outputs.servers, name)[part, server])

    def energy_uj(part: int) -> Callable[[Now], float]:
        return lambda now: round(now.state.part_j[part, server] * 1e6) % ENERGY_RANGE_UJ

    for i in range(len(parts)):
        yield Number(f"{_CHIPS}/temp{i + 1}_input", of_part("junction_c", i, 1e3))
        yield Number(f"{_THERMAL}/thermal_zone{i}/temp", of_part("junction_c", i, 1e3))
    for number, i, part in _of_type(parts, "cpu"):
        yield Number(f"{_CPUFREQ}/policy{number}/scaling_cur_freq", of_part("clock_hz", i, 1e-3))
        if part.cap_w:
            yield Number(f"{_POWERCAP}/intel-rapl:{number}/energy_uj", energy_uj(i))
    for number, i, part in _of_type(parts, "gpu"):
        yield Number(f"{_DEVFREQ}/{part.name}/cur_freq", of_part("clock_hz", i, 1.0))
        yield Number(f"{_card(number)}/freq1_input", of_part("clock_hz", i, 1.0))
        yield Number(f"{_card(number)}/temp1_input", of_part("junction_c", i, 1e3))
        yield Number(f"{_card(number)}/power1_average", of_part("power_w", i, 1e6))
    yield from _chassis(site, server)


def _chassis(site: Site, server: int) -> Iterator[Number]:
    supplies = site.servers.supplies

    def of_server(name: str, scale: float) -> Callable[[Now], float]:
        return lambda now: scale * float(getattr(now.outputs.servers, name)[server])

    def of_bus(name: str) -> Callable[[Now], float]:
        return lambda now: 1e3 * float(getattr(bus(supplies, now.outputs.servers.dc_w), name)[server])

    yield Number(f"{_CHASSIS}/power1_input", of_server("ac_w", 1e6))
    yield Number(f"{_CHASSIS}/energy1_input", lambda now: 1e6 * float(now.state.server_j[server]))
    yield Number(f"{_CHASSIS}/temp1_input", of_server("inlet_c", 1e3))
    yield Number(f"{_CHASSIS}/temp2_input", of_server("case_c", 1e3))
    yield Number(f"{_CHASSIS}/in1_input", of_bus("output_v"))
    yield Number(f"{_CHASSIS}/curr1_input", of_bus("current_a"))
    fans = site.servers.kind_of(server).fans
    for fan in range(fans.count if fans else 0):
        yield Number(f"{_CHASSIS}/fan{fan + 1}_input", _fan_rpm(site, server, fan))


def _fan_rpm(site: Site, server: int, fan: int) -> Callable[[Now], float]:
    """Speed of one fan; of those that stall, the first ones do."""
    count = site.servers.fans.count[server]

    def speed_rpm(now: Now) -> float:
        stalled = np.rint(now.outputs.servers.fan_stalled[server] * count)
        return 0.0 if fan < stalled else float(now.outputs.servers.fan_speed_rpm[server])

    return speed_rpm


def _of_type(parts: Sequence[Component], kind: str) -> Iterator[tuple[int, int, Component]]:
    """Number among its type, number among all, and component."""
    alike = [(i, part) for i, part in enumerate(parts) if part.type == kind]
    for number, (i, part) in enumerate(alike):
        yield number, i, part


def _card(number: int) -> str:
    """The hwmon directory of a GPU."""
    return f"{_HWMON}/hwmon{2 + number}"


def _policy(directory: str, part: Component, first_cpu: int) -> Iterator[tuple[str, str]]:
    """A cpufreq policy's fixed files."""
    clocks_khz = [str(round(clock / 1e3)) for clock, _ in part.points_hz_v]
    cpus = " ".join(str(first_cpu + core) for core in range(part.cores))
    yield f"{directory}/related_cpus", cpus
    yield f"{directory}/affected_cpus", cpus
    yield f"{directory}/cpuinfo_min_freq", clocks_khz[0]
    yield f"{directory}/cpuinfo_max_freq", clocks_khz[-1]
    yield f"{directory}/scaling_min_freq", clocks_khz[0]
    yield f"{directory}/scaling_available_frequencies", " ".join(clocks_khz)
    yield f"{directory}/scaling_driver", "twin"
    yield f"{directory}/scaling_governor", "performance"


def _zone(directory: str, part: Component) -> Iterator[tuple[str, str]]:
    """A powercap zone's fixed files; a part that limits no power has no zone."""
    if part.cap_w:
        yield f"{directory}/name", part.name
        yield f"{directory}/enabled", "1"
        yield f"{directory}/max_energy_range_uj", str(ENERGY_RANGE_UJ)
        yield f"{directory}/constraint_0_name", "long_term"
        yield f"{directory}/constraint_0_time_window_us", str(round(part.cap_window_s * 1e6))
        yield f"{directory}/constraint_0_max_power_uw", str(round(part.cap_w[1] * 1e6))


def _gpu(clock: str, card: str, part: Component) -> Iterator[tuple[str, str]]:
    """A GPU's fixed files."""
    clocks_hz = [str(round(clock)) for clock, _ in part.points_hz_v]
    yield f"{clock}/min_freq", clocks_hz[0]
    yield f"{clock}/available_frequencies", " ".join(clocks_hz)
    yield f"{card}/name", part.name
    if part.cap_w:
        yield f"{card}/power1_cap_min", str(round(part.cap_w[0] * 1e6))
        yield f"{card}/power1_cap_max", str(round(part.cap_w[1] * 1e6))
