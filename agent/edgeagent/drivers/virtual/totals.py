"""The totals of one channel's integrals, kept over restarts."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from edgeagent.drivers.counter import TotalsFile, WrapCounter
from edgeagent.drivers.sysfs import text
from edgeagent.drivers.virtual.integrator import Integrator
from edgeagent_sdk.driver import Host


class Totals:
    """Kept under the channel and its formula: another formula is another quantity, and begins anew.

    Args:
        key: the channel's ``quantity/name``.
    """

    def __init__(self, host: Host, key: str, formula: str) -> None:
        # So many integrals at most: known while the channels that they take are not, so none is lost then.
        self._counters = {str(i): WrapCounter(None) for i in range(formula.count("integral"))}
        name = f"virtual-{zlib.crc32(f'{key} = {formula}'.encode()):08x}.json"
        state = host.state_dir / name if host.state_dir and self._counters else None
        self._file = TotalsFile(state, text(host.path("/proc/sys/kernel/random/boot_id")))
        self._file.restore(self._counters)

    def lend(self, integrators: Sequence[Integrator]) -> None:
        """Have the integrators, in the order in which they are written, add to these totals."""
        for integrator, counter in zip(integrators, self._counters.values(), strict=False):
            integrator.counter = counter

    def save(self, *, now: bool = False) -> None:
        """Write them if it is time, or at once."""
        self._file.save(self._counters, now=now)
