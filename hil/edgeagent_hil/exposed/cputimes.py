"""How long the CPUs of a server of the twin have been busy, as Linux tells it in ``/proc/stat``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from edgeagent_hil.exposed.linux import Now
from edgeagent_hil.twin.kinds import Component

#: USER_HZ of Linux on every common machine.
_TICKS_PER_S: Final = 100

#: All numbers have this width, so that the file is written over in one go.
_WIDTH: Final = 12


class CpuTimes:
    """Busy and idle times of each CPU, summed up step by step. The cores of a component are busy alike."""

    def __init__(self, parts: Sequence[Component], server: int) -> None:
        self._server = server
        cpus = [(i, part) for i, part in enumerate(parts) if part.type == "cpu"]
        self._parts = [(i, part.cores, part.points_hz_v[-1][0]) for i, part in cpus]
        self._busy_s = dict.fromkeys((i for i, *_ in self._parts), 0.0)
        self._time_s = 0.0

    def text(self, now: Now) -> str:
        """The file after this step."""
        dt_s, self._time_s = now.state.time_s - self._time_s, now.state.time_s
        done = now.outputs.servers
        for i, _, highest_hz in self._parts:
            clock_hz = float(done.clock_hz[i, self._server])
            share = float(done.work[i, self._server]) * highest_hz / clock_hz if clock_hz else 0.0
            self._busy_s[i] += dt_s * min(1.0, share)
        rows = [self._busy_s[i] for i, cores, _ in self._parts for _ in range(cores)]
        lines = [_line(f"cpu{cpu}", busy_s, self._time_s - busy_s) for cpu, busy_s in enumerate(rows)]
        return _line("cpu ", sum(rows), len(rows) * self._time_s - sum(rows)) + "".join(lines)


def _line(name: str, busy_s: float, idle_s: float) -> str:
    """User, nice, system, idle, iowait, irq, softirq, steal."""
    busy, idle = (f"{round(seconds * _TICKS_PER_S):{_WIDTH}d}" for seconds in (busy_s, idle_s))
    return f"{name} {busy} 0 0 {idle} 0 0 0 0\n"
