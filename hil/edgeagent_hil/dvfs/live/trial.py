"""One governor at work: a real model, real latencies, and a quota that it moves."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from edgeagent_hil.dvfs.live.cell import Cell, cell
from edgeagent_hil.dvfs.live.ear import Ear
from edgeagent_sdk.errors import EdgeError
from edgeagent_sdk.governor import Domain, DomainState, Governor, Machine, Observation, Unit
from edgeagent_sdk.hintroad import VARIABLE

#: So often comes a frame, to be done before the next one.
PERIOD_S: Final = 0.25

#: The worker has one thread: these are shares of one CPU. All of it is called 1 GHz.
_FULL_HZ: Final = 1e9
_SHARES: Final = tuple(tenth / 10 for tenth in range(1, 11))

MACHINE: Final = Machine((Domain("cpu", tuple(share * _FULL_HZ for share in _SHARES)),))


class Tick(NamedTuple):
    """What one tick of the governor's brought.

    Args:
        share: of a CPU, that the worker was allowed.
        used_s: CPU time that it took.
        units: frames that it finished.
    """

    lasted_s: float
    share: float
    used_s: float
    units: tuple[Unit, ...]


def trial(make: Callable[[Machine], Governor], model: Path, seconds: float) -> list[Tick]:
    """The ticks of so many seconds, from the worker's first frame on.

    Raises:
        EdgeError: the worker does not start, or ends.
    """
    governor = make(MACHINE)
    with Ear(model.with_name("hints")) as ear, cell() as group, _worker(model, ear.path, group) as worker:
        return list(_ticks(governor, ear, group, worker, seconds))


def _ticks(
    governor: Governor, ear: Ear, group: Cell, worker: subprocess.Popen[bytes], seconds: float
) -> Iterator[Tick]:
    share, used_s, last_s = 1.0, group.used_s(), time.monotonic()
    end_s = last_s + seconds
    while last_s < end_s:
        time.sleep(governor.tick_s)
        if worker.poll() is not None:
            raise EdgeError(f"the worker ended with code {worker.returncode}")
        now_s, total_s, sessions = time.monotonic(), group.used_s(), ear.sessions()
        tick = Tick(now_s - last_s, share, total_s - used_s, tuple(u for s in sessions for u in s.done))
        busy = min(1.0, tick.used_s / (tick.lasted_s * share))
        seen = Observation(now_s, (DomainState(share * _FULL_HZ, busy),), sessions=sessions)
        share = governor.decide(seen).clock_hz[0] / _FULL_HZ
        group.allow(share)
        last_s, used_s = now_s, total_s
        yield tick


@contextmanager
def _worker(model: Path, hints: Path, group: Cell) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "edgeagent_hil.dvfs.live.worker", str(model), str(PERIOD_S)]
    environment = {**os.environ, VARIABLE: str(hints)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        try:
            assert process.stdout is not None
            if not process.stdout.readline():
                raise EdgeError(f"the worker ended with code {process.wait()}")
            group.take(process.pid)
            yield process
        finally:
            process.kill()
