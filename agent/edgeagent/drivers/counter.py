"""Counters that wrap and start over, made into totals that only grow.

A total must survive three things: the register's wrap, a restart of the agent (the register went
on counting meanwhile) and a reboot of the machine (the register began again). For the last two the
register's value and the total are kept on disk, with the kernel's boot id.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from edgeagent.files import replace_after

#: How often totals are written. A restart of the agent costs nothing, since the register itself
#: remembers; a power cut takes a total back by at most this, less what the machine uses to boot.
SAVE_S = 10.0

#: Counters are updated in steps and read a little late: over short times they may seem this much ahead.
_LATE_S = 1.0


class WrapCounter:
    """The total of a register that counts from 0 to `range_` and begins again.

    Args:
        range_: count at which it wraps; None if unknown: then a fall is taken as a start from 0,
            which loses what was counted between the last reading and the fall, and never invents.
        rate_max: most counts per second that are possible; None if unknown. A gain beyond it is no
            gain: the register was set anew, or its value was a glitch.

    Attributes:
        total: counts since the beginning.
        rate: counts per second between the last two readings; None before there are two.
        raw, at_s: the register's last value and the monotonic time of it; `raw` is None if it is
            to begin from 0 with the next.
    """

    def __init__(self, range_: float | None, rate_max: float | None = None) -> None:
        self.range = range_ or None
        self.rate_max = math.inf if rate_max is None else rate_max
        self.total = 0.0
        self.rate: float | None = None
        self.raw: float | None = None
        self.at_s = 0.0

    def update(self, raw: float, now_s: float) -> float:
        """Take the register's value of the monotonic time `now_s`; the total."""
        if self.raw is None:
            self.total += raw
        else:
            elapsed_s = now_s - self.at_s
            gained = self._gained(raw, self.raw, elapsed_s)
            self.total += gained
            if elapsed_s > 0:
                self.rate = gained / elapsed_s
        self.raw, self.at_s = raw, now_s
        return self.total

    def begun_again(self, raw: float, now_s: float) -> bool:
        """Whether `raw` at the monotonic time `now_s` would mean that it has: it fell, and not by a wrap."""
        if self.raw is None or raw >= self.raw:
            return False
        return self.range is None or raw - self.raw + self.range > self._most(now_s - self.at_s)

    def _most(self, elapsed_s: float) -> float:
        return self.rate_max * (max(0.0, elapsed_s) + _LATE_S)

    def _gained(self, raw: float, before: float, elapsed_s: float) -> float:
        gained = raw - before
        if self.begun_again(raw, self.at_s + elapsed_s):
            gained = raw
        elif gained < 0:
            gained += self.range or 0.0
        if not 0 <= gained <= self._most(elapsed_s):
            return 0.0
        return gained + self._rounds(gained, elapsed_s) * (self.range or 0.0)

    def _rounds(self, gained: float, elapsed_s: float) -> int:
        """How often it went all the way round: as the rate of late suggests, as far as is possible."""
        if self.range is None or self.rate is None:
            return 0
        likely = round((self.rate * elapsed_s - gained) / self.range)
        if self.rate_max < math.inf:
            likely = min(likely, int((self.rate_max * elapsed_s - gained) // self.range))
        return max(0, likely)


class TotalsFile:
    """Where totals rest over restarts.

    Args:
        path: the file; None to keep nothing.
        boot_id: the kernel's, which tells a restart of the agent from one of the machine.
    """

    def __init__(self, path: Path | None, boot_id: str) -> None:
        self._path, self._boot_id = path, boot_id
        self._saved_s = time.monotonic()
        self._writer: threading.Thread | None = None

    def restore(self, counters: Mapping[str, WrapCounter]) -> None:
        """Put the totals of the last run into `counters`."""
        if self._path is None:
            return
        try:
            saved = json.loads(self._path.read_text("utf-8"))
            rows = {name: _row(**row) for name, row in saved["totals"].items()}
            same_boot = saved["boot_id"] == self._boot_id
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return  # the first run, or a damaged file: totals begin with the register
        for name in counters.keys() & rows.keys():
            counter, (total, raw, at_s, rate) = counters[name], rows[name]
            counter.total = total
            if same_boot:
                counter.raw, counter.at_s, counter.rate = raw, at_s, rate

    def save(self, counters: Mapping[str, WrapCounter], *, now: bool = False) -> None:
        """Write the totals if it is time, without waiting for the disk; with `now`, at once."""
        if self._path is None or not (now or time.monotonic() - self._saved_s >= SAVE_S):
            return
        if self._writer and self._writer.is_alive() and not now:
            return  # the disk hangs
        self._saved_s = time.monotonic()
        totals = {
            name: {"total": c.total, "raw": c.raw, "at_s": c.at_s, "rate": c.rate}
            for name, c in counters.items()
        }
        content = json.dumps({"boot_id": self._boot_id, "totals": totals})
        before = self._writer
        self._writer = threading.Thread(
            target=replace_after, args=(self._path, content.encode(), before), daemon=True
        )
        self._writer.start()
        if now:
            self._writer.join(1.0)


def _row(
    total: float, raw: float | None, at_s: float, rate: float | None
) -> tuple[float, float | None, float, float | None]:
    for number in (total, raw or 0.0, at_s, rate or 0.0):
        if not math.isfinite(number):
            raise ValueError("not a finite number")
    return total, raw, at_s, rate
