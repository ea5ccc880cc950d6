"""Time stamps that never run backwards, and the honest word on how far to trust them.

A stamp is the monotonic clock plus an offset. `check` moves the offset towards the wall clock: at
once when that has jumped forwards, at half speed when it has jumped backwards, so that a channel's
readings keep their order while the difference melts. A clock put back by more than half a day was
wrong by so much that order is worth less than truth: that jump is taken at once, too.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from typing import NamedTuple

from edgeagent_sdk.lineproto import PLAUSIBLE_FROM_NS

#: So long a batch header tells of a jump, so that no batch around it goes without.
_STEPPED_FOR_NS = 10 * 10**9

#: Backward jumps up to this melt. Ahead by more, readings would be refused as not of this time.
SLEW_MAX_NS = 12 * 3600 * 10**9

#: Differences below this are drift, which network time smooths out by itself.
STEP_MIN_NS = 100_000_000

SYNCED, UNSYNCED, STEPPED = "synced", "unsynced", "stepped"


class Step(NamedTuple):
    """The wall clock jumped by `by_ns`; `set_ns` is by how much stamps taken so far were wrong for
    want of a set clock (0 if they were right when they were taken)."""

    by_ns: int
    set_ns: int


class Clock:
    """The agent's one source of stamps. `now_ns` is for any thread, `check` for one."""

    def __init__(
        self,
        wall_ns: Callable[[], int] = time.time_ns,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        synchronized: Callable[[], bool] | None = None,
    ) -> None:
        self._wall_ns = wall_ns
        self._monotonic_ns = monotonic_ns
        self._synchronized = synchronized or kernel_synchronized
        self._seen_wall_ns, self._seen_ns = wall_ns(), monotonic_ns()
        # Stamps from `since` on: monotonic + offset, less what has melted of `slew` at half speed.
        self._line = _Line(self._seen_ns, self._seen_wall_ns - self._seen_ns, 0)
        self._jumped_ns = self._seen_ns - _STEPPED_FOR_NS
        self._synced = self._synchronized()

    def now_ns(self) -> int:
        """A stamp: UTC nanoseconds, never less than an earlier one unless the clock was off by half a day."""
        return self.stamp_ns(self._monotonic_ns())

    def stamp_ns(self, monotonic_ns: int) -> int:
        """The stamp of a moment of the monotonic clock."""
        return monotonic_ns + self._line.offset_at(monotonic_ns)

    @property
    def offset_ns(self) -> int:
        """Stamp less monotonic clock, now."""
        return self._line.offset_at(self._monotonic_ns())

    @property
    def is_set(self) -> bool:
        """Whether stamps can be true at all."""
        return self.now_ns() >= PLAUSIBLE_FROM_NS

    @property
    def slewing(self) -> bool:
        """Whether a backward jump is still being smoothed out: stamps run at half speed."""
        since_ns, _, slew_ns = self._line
        return slew_ns - (self._monotonic_ns() - since_ns) // 2 > STEP_MIN_NS

    @property
    def state(self) -> str:
        """``synced``, ``unsynced``, or ``stepped`` while a jump is fresh or still being smoothed out."""
        if self._monotonic_ns() - self._jumped_ns < _STEPPED_FOR_NS or self.slewing:
            return STEPPED
        return SYNCED if self._synced else UNSYNCED

    def check(self) -> Step | None:
        """Follow the wall clock; call it about once a second. A Step tells of a jump."""
        wall, now = self._wall_ns(), self._monotonic_ns()
        jump = (wall - self._seen_wall_ns) - (now - self._seen_ns)
        self._seen_wall_ns, self._seen_ns = wall, now
        self._synced = self._synchronized()
        offset = self._line.offset_at(now)
        error = wall - now - offset
        was_set = now + offset >= PLAUSIBLE_FROM_NS
        melts = -SLEW_MAX_NS <= error < 0
        self._line = _Line(now, offset, -error) if melts else _Line(now, offset + error, 0)
        if abs(jump) < STEP_MIN_NS:
            return None
        self._jumped_ns = now
        became_set = not was_set and now + self._line.offset_ns >= PLAUSIBLE_FROM_NS
        return Step(jump, error if became_set else 0)


class _Line(NamedTuple):
    since_ns: int
    offset_ns: int
    slew_ns: int

    def offset_at(self, monotonic_ns: int) -> int:
        return self.offset_ns - min(self.slew_ns, max(0, monotonic_ns - self.since_ns) // 2)


class _Timex(ctypes.Structure):
    # struct timex of <sys/timex.h>; only the head matters, the rest is room for the kernel to fill.
    _fields_ = (("modes", ctypes.c_uint), ("rest", ctypes.c_byte * 252))


_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronized


def kernel_synchronized() -> bool:
    """Whether the kernel holds its clock to be synchronized (adjtimex(2))."""
    try:
        state: int = ctypes.CDLL(None).adjtimex(ctypes.byref(_Timex()))
    except (AttributeError, OSError):
        return False
    return 0 <= state < _TIME_ERROR
