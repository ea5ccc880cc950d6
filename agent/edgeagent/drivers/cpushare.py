"""How busy groups of CPUs are. Source: Linux, proc_stat(5): time of each CPU in each mode, in ticks."""

from __future__ import annotations

import re
from collections.abc import Sequence

from edgeagent.drivers.sysfs import reason
from edgeagent_sdk.channel import Fault, Value
from edgeagent_sdk.driver import Host

_LINE = re.compile(rb"^cpu(\d+) (.+)$", re.MULTILINE)

#: Fields of a line: user, nice, system, idle, iowait, irq, softirq, steal; the guests' are within user's.
_FIELDS = 8
_IDLE = (3, 4)

_Ticks = tuple[int, int]
"""All of them, and the idle ones among them."""


class CpuShares:
    """The share of each group's time that was not idle since the last reading.

    Args:
        groups: numbers of CPUs. A group with a CPU that is off has the share of its others.

    Attributes:
        known: whether the kernel tells of every group.
    """

    def __init__(self, host: Host, groups: Sequence[Sequence[int]]) -> None:
        self._path, self._groups = host.path("/proc/stat"), groups
        self._before: dict[int, _Ticks] = {}
        self._shares: list[Value] = [Fault("a share needs two readings")] * len(groups)
        self.read()
        self.known = all(any(cpu in self._before for cpu in group) for group in groups)

    def read(self) -> Sequence[Value]:
        """A share for each group; the last one where no tick has gone by."""
        try:
            now = {int(cpu): _ticks(fields) for cpu, fields in _LINE.findall(self._path.read_bytes())}
        except OSError as error:
            return [Fault(f"{self._path}: {reason(error)}")] * len(self._groups)
        except (ValueError, IndexError) as error:
            return [Fault(f"{self._path}: not in the form expected: {error}")] * len(self._groups)
        before, self._before = self._before, now
        for i, group in enumerate(self._groups):
            both = [(before[cpu], now[cpu]) for cpu in group if cpu in before and cpu in now]
            spent = sum(later[0] - earlier[0] for earlier, later in both)
            idle = sum(later[1] - earlier[1] for earlier, later in both)
            if spent > 0:  # idle times may run back a little (proc_stat(5))
                self._shares[i] = min(1.0, max(0.0, 1.0 - idle / spent))
        return list(self._shares)


def _ticks(fields: bytes) -> _Ticks:
    counts = [int(field) for field in fields.split()[:_FIELDS]]
    return sum(counts), sum(counts[i] for i in _IDLE)
