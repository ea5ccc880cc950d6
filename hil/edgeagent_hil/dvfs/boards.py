"""Boards: kinds of machines of the twin, seen by one who sets their clocks.

Physics and constants are the twin's; here they are only laid out for one machine, domain by domain.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from edgeagent_hil.twin import kinds
from edgeagent_hil.twin.kinds import CASE, Component, Kind
from edgeagent_hil.twin.servers import Servers, servers
from edgeagent_sdk.errors import EdgeError
from edgeagent_sdk.governor import Domain, Machine
from edgeagent_sdk.plugins import nearest

#: The sensor of the whole machine's power, and of domains' own.
POWER: Final = "power"


class Part(NamedTuple):
    """A domain: a component of the twin that is powered on.

    At operating point k it draws, while `active` cores work and any core is busy for the share `awake`,

        idle_w + awake_w·awake + core_w[k]·active + leak_share[k]·L,
        L = leakage_w·exp((T − leakage_at_c) / leakage_efold_k)

    Args:
        clock_hz, core_w, leak_share: by operating point, rising; `core_w` is C·f·V².
        limit_c: the temperature that it must not pass.
        critical_c: there the hardware falls to its lowest point until it is below `limit_c` again.
        metered: whether it measures its own power: what limits its power does.
    """

    name: str
    cores: int
    clock_hz: tuple[float, ...]
    core_w: tuple[float, ...]
    leak_share: tuple[float, ...]
    leakage_w: float
    leakage_at_c: float
    leakage_efold_k: float
    idle_w: float
    awake_w: float
    junction_k_per_w: float
    limit_c: float
    critical_c: float
    shutdown_c: float
    metered: bool

    def point(self, clock_hz: float) -> int:
        """The highest operating point that is not faster; the lowest if all are."""
        slower = [k for k, hz in enumerate(self.clock_hz) if hz <= clock_hz * (1 + 1e-9)]
        return slower[-1] if slower else 0


@dataclass(frozen=True, eq=False)
class Board:
    """One machine.

    Attributes:
        plant: the twin's constants of it (one server).
        machine: what a governor is told of it.
        foreground, background: indices of the parts that work; equal if there is only one.
        ac: whether its meter sees what the supply takes, rather than what it gives.
    """

    name: str
    kind: Kind
    plant: Servers
    parts: tuple[Part, ...]
    machine: Machine
    foreground: int
    background: int
    ac: bool

    @property
    def sensors(self) -> list[str]:
        """What a governor sees: the power, and the temperatures of domains and of what else has a limit."""
        return [POWER, *(part.name for part in self.parts), *self.machine.limits_c]


def names() -> list[str]:
    """The boards that come with the twin."""
    return kinds.names()


def board(name: str) -> Board:
    """The board called `name`, or the one in the file of that path (``*.toml``).

    Raises:
        EdgeError: there is none, or the file is wrong.
    """
    _check(name)
    kind = kinds.load(name)
    plant = servers([kind], [1])
    parts = tuple(_part(kind, plant, index) for index in range(len(kind.components)))
    foreground, background = _workers(kind, parts)
    return Board(
        name=Path(name).stem if name.endswith(".toml") else name,
        kind=kind,
        plant=plant,
        parts=parts,
        machine=Machine(
            tuple(Domain(part.name, part.clock_hz, part.cores, part.limit_c) for part in parts),
            {name: limit_c for name, limit_c in kind.dvfs.limits_c.items() if name == CASE},
        ),
        foreground=foreground,
        background=background,
        ac=kind.dvfs.meter == "ac",
    )


def _check(name: str) -> None:
    if name.endswith(".toml"):
        if not Path(name).exists():
            raise EdgeError(f"unknown board {name!r}; no such file: {name}")
    elif "/" in name or Path(name).is_file():
        raise EdgeError(f"board {name!r}: the file of a board ends in .toml; known: {', '.join(names())}")
    elif name not in names():
        raise EdgeError(f"unknown board {name!r}; {nearest(name, names())}")


def _part(kind: Kind, plant: Servers, index: int) -> Part:
    component: Component = kind.components[index]
    points = len(component.points_hz_v)
    chips = plant.chips
    return Part(
        name=component.name,
        cores=component.cores,
        clock_hz=tuple(chips.clock_hz[:points, index, 0].tolist()),
        core_w=tuple((chips.dynamic_w[:points, index, 0] / component.cores).tolist()),
        leak_share=tuple(chips.leak_share[:points, index, 0].tolist()),
        leakage_w=component.leakage_w,
        leakage_at_c=component.leakage_at_c,
        leakage_efold_k=component.leakage_efold_k,
        idle_w=component.idle_w,
        awake_w=component.awake_w,
        junction_k_per_w=component.junction_k_per_w,
        limit_c=kind.dvfs.limits_c.get(component.name, component.throttle_c),
        critical_c=component.critical_c,
        shutdown_c=component.shutdown_c,
        metered=component.cap_w is not None,
    )


def _workers(kind: Kind, parts: tuple[Part, ...]) -> tuple[int, int]:
    """Who does the foreground's and the background's work."""
    named = {part.name: index for index, part in enumerate(parts)}
    by_power = [int(i) for i in np.argsort([-part.cores * part.core_w[-1] for part in parts], kind="stable")]
    first = named[kind.dvfs.foreground] if kind.dvfs.foreground else by_power[0]
    others = [index for index in by_power if index != first]
    if kind.dvfs.background:
        return first, named[kind.dvfs.background]
    return first, others[0] if others else first
