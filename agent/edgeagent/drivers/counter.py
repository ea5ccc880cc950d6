"""Counters that wrap and start over, made into totals that only grow.

A total must survive three things: the register's wrap, a restart of the agent (the register went
on counting meanwhile) and a reboot of the machine (the register began again). For the last two the
raw value and the total are kept on disk, with the kernel's boot id.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TypedDict

#: How often totals are written; between two of these a restart costs nothing, since the register
#: itself remembers, and a reboot costs at most this.
SAVE_S = 60.0


class WrapCounter:
    """The total of a register that counts from 0 to `range_` and begins again.

    Args:
        range_: count at which it wraps; None if unknown: then a fall is taken as a start from 0,
            which loses what was counted between the last reading and the fall, and never invents.
        rate_max: most counts per second that are possible; None if unknown.
    """

    def __init__(self, range_: float | None, rate_max: float | None = None) -> None:
        self.range = range_ or None
        self.rate_max = rate_max
        self.total = 0.0
        self.raw: float | None = None
        self._rate = 0.0

    def update(self, raw: float, elapsed_s: float) -> float:
        """Take the register's value, `elapsed_s` after the one before; the total."""
        if self.raw is None:
            self.total += raw
        else:
            gained = self._gained(raw, elapsed_s)
            self.total += gained
            if elapsed_s > 0:
                self._rate = gained / elapsed_s
        self.raw = raw
        return self.total

    def _gained(self, raw: float, elapsed_s: float) -> float:
        assert self.raw is not None
        gained = raw - self.raw
        if self.range is None:
            return gained if gained >= 0 else raw
        if gained < 0:
            gained += self.range
        # The register may have gone round more than once. Whole rounds are added as the rate of
        # late suggests, but never more than is physically possible.
        rounds = round((self._rate * elapsed_s - gained) / self.range)
        if self.rate_max is not None:
            rounds = min(rounds, int((self.rate_max * elapsed_s - gained) // self.range))
        return gained + max(0, rounds) * self.range


class _Saved(TypedDict):
    boot_id: str
    totals: dict[str, tuple[float, float]]  # name → raw value, total


class TotalsFile:
    """Where totals rest over restarts.

    Args:
        path: the file; None to keep nothing.
        boot_id: the kernel's, which tells a restart of the agent from one of the machine.
    """

    def __init__(self, path: Path | None, boot_id: str) -> None:
        self._path, self._boot_id = path, boot_id
        self._saved_s = time.monotonic()

    def restore(self, counters: dict[str, WrapCounter]) -> None:
        """Put the totals of the last run into `counters`."""
        if self._path is None:
            return
        try:
            saved: _Saved = json.loads(self._path.read_text("utf-8"))
            rows = {name: (float(raw), float(total)) for name, (raw, total) in saved["totals"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return  # the first run, or a damaged file: totals begin with the register
        for name, counter in counters.items():
            if name in rows:
                raw, counter.total = rows[name]
                counter.raw = raw if saved["boot_id"] == self._boot_id else None

    def save(self, counters: dict[str, WrapCounter], *, now: bool = False) -> None:
        """Write the totals, if it is time or `now`."""
        if self._path is None or not (now or time.monotonic() - self._saved_s >= SAVE_S):
            return
        self._saved_s = time.monotonic()
        totals = {n: (c.raw, c.total) for n, c in counters.items() if c.raw is not None}
        draft = self._path.with_name(f"{self._path.name}.new")
        try:
            draft.write_text(json.dumps({"boot_id": self._boot_id, "totals": totals}), "utf-8")
            draft.replace(self._path)
        except OSError:
            return  # a full disk costs at most what a reboot would
