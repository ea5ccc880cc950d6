"""Kinds of servers and boards, as data files: everything that tells one machine from another.

The files lie in ``data/kinds``; a path to a file of one's own does as well. All values are in SI units,
temperatures in °C; each file names its sources.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from edgeagent_sdk import config
from edgeagent_sdk.errors import EdgeError
from edgeagent_sdk.plugins import nearest

_KINDS = Path(str(resources.files(__package__))) / "data" / "kinds"

#: The name of the temperature that belongs to no component.
CASE = "case"

Positive = Annotated[float, msgspec.Meta(gt=0)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of a data file; a key too many is a mistake."""


class Component(_Table, frozen=True, kw_only=True):
    """What draws power by its own clock: a CPU package, a cluster of cores, a GPU.

    Args:
        points_hz_v: operating points, rising: clock in Hz and voltage in V.
        capacitance_f: C of C·f·V², W/(Hz·V²), per busy core.
        idle_w: drawn whenever the machine is on, leakage apart.
        awake_w: drawn in addition while any core is busy (uncore, caches, memory controller).
        leakage_w: at `leakage_at_c` and the highest voltage.
        leakage_efold_k: how much warmer it must be for e times the leakage.
        cap_w: least and greatest power limit that it takes, which also is the one it starts with; none for
            a part that limits no power.
        cap_window_s: over which it averages its power to keep the limit.
        throttle_c: above it the clock falls, to the lowest operating point at `critical_c`; at `shutdown_c`
            the machine switches itself off.
        heat_capacity_j_per_k: of die, spreader and heat sink.
        conductance_w_per_k: from there to what cools it, at full flow.
        junction_k_per_w: how much warmer the sensor in the die is than the heat sink's base.
    """

    name: str
    type: Literal["cpu", "gpu"]
    cores: Annotated[int, msgspec.Meta(ge=1)]
    points_hz_v: Annotated[tuple[tuple[Positive, Positive], ...], msgspec.Meta(min_length=2)]
    capacitance_f: Positive
    idle_w: NotNegative
    awake_w: NotNegative = 0.0
    leakage_w: NotNegative
    leakage_at_c: float
    leakage_efold_k: Positive
    cap_w: tuple[NotNegative, Positive] | None = None
    cap_window_s: Positive = 1.0
    throttle_c: float
    critical_c: float
    shutdown_c: float
    heat_capacity_j_per_k: Positive
    conductance_w_per_k: Positive
    junction_k_per_w: NotNegative = 0.0
    cooling: Literal["air", "liquid"] = "air"

    def __post_init__(self) -> None:
        clocks, volts = zip(*self.points_hz_v, strict=True)
        if list(clocks) != sorted(set(clocks)) or list(volts) != sorted(volts):
            raise ValueError(f"component {self.name!r}: the operating points must rise")
        if not self.throttle_c < self.critical_c < self.shutdown_c:
            raise ValueError(
                f"component {self.name!r}: throttle_c must be below critical_c, and that below shutdown_c"
            )
        if self.cap_w and not self.cap_w[0] < self.cap_w[1]:
            raise ValueError(f"component {self.name!r}: cap_w must rise")


class Fans(_Table, frozen=True, kw_only=True):
    """All fans of a machine, which turn alike; from `low_c` to `high_c` of its hottest die they speed up.

    Args:
        still_share: of the full conductance that is left when no fan turns.
    """

    count: Annotated[int, msgspec.Meta(ge=1)]
    speed_max_rpm: Positive
    flow_max_m3_per_s: Positive
    power_max_w: NotNegative
    share_min: Share
    low_c: float
    high_c: float
    lag_s: Positive
    still_share: Share

    def __post_init__(self) -> None:
        if not self.low_c < self.high_c:
            raise ValueError("fans: low_c must be below high_c")

    @property
    def gain_per_k(self) -> float:
        """By which share of the highest speed they speed up for each kelvin above `low_c`."""
        return (1 - self.share_min) / (self.high_c - self.low_c)


class Supply(_Table, frozen=True, kw_only=True):
    """The power supply and the bus behind it.

    Args:
        rated_w: DC.
        efficiency: points of load share and efficiency, rising.
        bus_v: DC bus at no load.
        bus_ohm: from the supply to the node's meter.
        switch_ohm: of the hot-swap switch, from its input to its output.
    """

    rated_w: Positive
    efficiency: Annotated[tuple[tuple[Positive, Positive], ...], msgspec.Meta(min_length=3)]
    power_factor: Annotated[float, msgspec.Meta(gt=0, le=1)]
    bus_v: Positive
    bus_ohm: NotNegative
    switch_ohm: NotNegative


class Dvfs(_Table, frozen=True, kw_only=True):
    """What a governor of clocks is tried on with this machine; all of it may be left out.

    Args:
        foreground: component that works on what is asked for; by default the one that draws most.
        background: component of a second workload; by default the next one.
        meter: what the machine's power meter sees: its direct current, or what the supply takes.
        limits_c: temperatures to keep, by component; by default its `throttle_c`. ``case`` limits the case.
    """

    foreground: str | None = None
    background: str | None = None
    meter: Literal["dc", "ac"] = "dc"
    limits_c: dict[str, float] = {}


class Kind(_Table, frozen=True, kw_only=True):
    """One kind of machine.

    Args:
        board_w: what has no clock of its own: memory, drives, network, board.
        case_heat_capacity_j_per_k: of the air path and all metal that shares its temperature.
        passive_w_per_k: from there to the surrounding air without any fan.
        fans: none for a machine that cools by convection.
        dvfs: for `edgeagent rig dvfs`.
    """

    title: str
    sources: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    board_w: NotNegative
    case_heat_capacity_j_per_k: Positive
    passive_w_per_k: Positive
    components: Annotated[tuple[Component, ...], msgspec.Meta(min_length=1)]
    supply: Supply
    fans: Fans | None = None
    dvfs: Dvfs = Dvfs()

    def __post_init__(self) -> None:
        known = [component.name for component in self.components]
        dvfs = self.dvfs
        for name in (*filter(None, (dvfs.foreground, dvfs.background)), *(dvfs.limits_c.keys() - {CASE})):
            if name not in known:
                raise ValueError(f"dvfs: no component {name!r}; {nearest(name, known)}")

    @property
    def liquid(self) -> bool:
        """Whether any part of it needs a coolant loop."""
        return any(component.cooling == "liquid" for component in self.components)


def names() -> list[str]:
    """The kinds that come with the twin."""
    return sorted(path.name.removesuffix(".toml") for path in _KINDS.iterdir())


def load(name: str) -> Kind:
    """The kind called `name`, or the one in the file of that path.

    Raises:
        EdgeError: there is none, or the file is wrong; with its path, the line and the key.
    """
    path = Path(name) if name.endswith(".toml") else _KINDS / f"{name}.toml"
    if not path.exists():
        known = f"no such file: {name}" if name.endswith(".toml") else nearest(name, names())
        raise EdgeError(f"unknown kind of server {name!r}; {known}")
    try:
        return config.load(path, Kind)
    except config.ConfigError as mistakes:
        raise EdgeError(str(mistakes.problems[0])) from None
