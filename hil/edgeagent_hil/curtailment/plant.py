"""The site: servers whose power limits obey, a meter in front of them, and what is recorded of it.

What is recorded is the twin's own: no agent, broker or optimizer has a part in it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple, Self

import numpy as np

from edgeagent_hil.curtailment.loads import Mix
from edgeagent_hil.exposed.sysfs import SysfsTree
from edgeagent_hil.twin import Site, SiteInputs, SiteOutputs, SiteState, calm, design, kinds, start, step
from edgeagent_hil.twin.servers import ServerOutputs
from edgeagent_hil.twin.units import Array

_KIND: Final = Path(__file__).with_name("server.toml")

PER_RACK: Final = 8

#: A commissioning test lasts so many seconds.
_TEST_S: Final = 600

_LIMITS: Final = "sys/class/powercap"
_METER: Final = "sys/class/hwmon/hwmon0"
_WIDTH: Final = 24


class Second(NamedTuple):
    """One second of the site.

    Args:
        at_s: of the twin's clock, when it began.
        power_w: mean at the inputs of all servers' supplies.
        cap_w: sum of the power limits in force at its end.
        held: how many of them are below the greatest.
        work: done, as a share of what all can do.
    """

    at_s: float
    power_w: float
    cap_w: float
    held: int
    work: float


@dataclass(frozen=True)
class Plant:
    """A site of `n` servers, and what is known of it when it is handed over.

    Attributes:
        names: of the servers' nodes.
        least_w, most_w: of each package's power limit.
        idle_w: what a package draws without work, at least.
        other_w: shape (n,), what each server draws beside its packages, at full load: fans, board, supply.
        peak_w: shape (n,), what each draws at full load.
    """

    site: Site
    names: tuple[str, ...]
    packages: tuple[str, ...]
    least_w: float
    most_w: float
    idle_w: float
    other_w: Array
    peak_w: Array

    def rack_of(self, server: int) -> int:
        """Which rack it is in."""
        return server // PER_RACK


def plant(servers: int, seed: int) -> Plant:
    """Servers, no two of which are quite alike, measured at full load as when they were put into service."""
    kind = kinds.load(str(_KIND))
    site = design.site([kind], [servers], seed=seed, per_rack=PER_RACK)
    busy = _steady(site, demand=1.0)
    parts = kind.components
    assert parts[0].cap_w is not None
    return Plant(
        site=site,
        names=tuple(f"n{number:02d}" for number in range(1, servers + 1)),
        packages=tuple(part.name for part in parts),
        least_w=parts[0].cap_w[0],
        most_w=parts[0].cap_w[1],
        idle_w=float(_steady(site, demand=0.0).power_w.min()),
        other_w=busy.ac_w - busy.power_w.sum(axis=0),
        peak_w=busy.ac_w,
    )


def _steady(site: Site, *, demand: float) -> ServerOutputs:
    """What all draw once everything is warm."""
    inputs = calm(site)
    inputs = replace(inputs, servers=replace(inputs.servers, demand=np.full(site.servers.shape, demand)))
    state = start(site)
    for _ in range(_TEST_S):
        state, outputs = step(site, state, inputs, 1.0)
    return outputs.servers


class Meter:
    """The power meter in front of all servers, as a hardware monitor of a gateway: a device of the runner.

    Args:
        root: directory that stands for the gateway's ``/``.
    """

    def __init__(self, root: Path) -> None:
        directory = root / _METER
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "name").write_text("feed\n")
        (directory / "power1_label").write_text("total\n")
        self._fd = os.open(directory / "power1_input", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def steer(self, inputs: SiteInputs) -> SiteInputs:
        """A meter changes nothing."""
        return inputs

    def show(self, state: SiteState, outputs: SiteOutputs) -> None:
        """Measure."""
        os.pwrite(self._fd, str(round(outputs.it_w * 1e6)).ljust(_WIDTH - 1).encode() + b"\n", 0)


class Recorder:
    """What the site draws, second by second: a device of the runner, after those that set limits."""

    def __init__(self, most_w: float) -> None:
        self._most_w = most_w
        self._lock = threading.Lock()
        self._seconds: list[Second] = []
        self._energy_j = self._work_s = self._lasted_s = self._before_s = 0.0
        self._caps_w = np.zeros(0)

    def steer(self, inputs: SiteInputs) -> SiteInputs:
        """Note the limits in force."""
        self._caps_w = inputs.servers.cap_w
        return inputs

    def show(self, state: SiteState, outputs: SiteOutputs) -> None:
        """Add a step."""
        dt_s, self._before_s = state.time_s - self._before_s, state.time_s
        self._energy_j += outputs.it_w * dt_s
        self._work_s += float(outputs.servers.work.mean()) * dt_s
        self._lasted_s += dt_s
        if self._lasted_s < 1.0 - 1e-6:
            return
        second = Second(
            at_s=state.time_s - self._lasted_s,
            power_w=self._energy_j / self._lasted_s,
            cap_w=float(self._caps_w.sum()),
            held=int(np.count_nonzero(self._caps_w < self._most_w - 1e-6)),
            work=self._work_s / self._lasted_s,
        )
        self._energy_j = self._work_s = self._lasted_s = 0.0
        with self._lock:
            self._seconds.append(second)

    @property
    def seconds(self) -> list[Second]:
        """All so far."""
        with self._lock:
            return list(self._seconds)


def trees(plant: Plant, home: Path) -> Sequence[SysfsTree]:
    """Each server's power limits and energy counters as files; under the name of its node."""
    return [
        SysfsTree(home / name, plant.site, number, under=_LIMITS) for number, name in enumerate(plant.names)
    ]


def mix(plant: Plant, seed: int) -> Mix:
    """What the servers do."""
    return Mix(plant.site.servers.shape, seed)
