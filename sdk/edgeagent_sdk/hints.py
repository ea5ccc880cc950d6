"""Hints: a workload tells its deadline and each unit of its work; the governor keeps the one by the other.

In the manner of Android's performance hint sessions::

    from edgeagent_sdk import hints

    with hints.session("camera", deadline_ms=33) as s:
        for frame in camera:
            with s.unit(arrived=frame.time_s):
                infer(frame)

A report is one datagram to the agent's socket and costs some microseconds. It never blocks and never raises:
without an agent, or while one starts anew, nothing is told and the work goes on.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Final, Self, TypeVar

from edgeagent_sdk.hintrecord import Kind, Target, encoder
from edgeagent_sdk.hintroad import send

#: So many units may wait, or be worked on, at once; of more, the oldest are forgotten.
_OPEN_MAX: Final = 4096

T = TypeVar("T")

_clock_ns = time.monotonic_ns
_numbers = count(1)


def session(
    name: str,
    *,
    deadline_s: float | None = None,
    deadline_ms: float | None = None,
    domains: Sequence[str] = (),
    misses: float = 0.01,
) -> Session:
    """A workload and its target.

    Args:
        name: tells it from the node's others; of two at work under one name, the later gets a number.
        deadline_s, deadline_ms: no unit's latency, from arrival to end, shall pass it; give one of both.
        domains: frequency domains that it works on; without, those of the CPUs that its process may use.
        misses: the share of units that may be late.

    Raises:
        ValueError: that is no target.
    """
    if (deadline_s is None) == (deadline_ms is None):
        raise ValueError("give one of deadline_s and deadline_ms")
    limit_s = deadline_s if deadline_ms is None else deadline_ms / 1e3
    return Session(Target(name, float(limit_s or 0.0), float(misses), tuple(domains)))


class Session:
    """What a workload reports to, from any of its threads. Its units are known by their numbers, from 1 on.

    Times are seconds of `time.monotonic`; one of the future, or none at all, is taken for now.

    Raises:
        ValueError: the target is none. No report raises anything.
    """

    def __init__(self, target: Target) -> None:
        self._encode = encoder(target)
        self._number = next(_numbers)
        self._units = count(1)
        #: When it arrived, and in the second when work on it began.
        self._waiting: dict[int, int] = {}
        self._running: dict[int, tuple[int, int]] = {}
        self._ended_ns = _clock_ns()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def unit(self, unit: int | None = None, *, arrived: float | None = None) -> Iterator[int]:
        """What the block works on: `begin` before it and `done` after it, or `drop` if it raises."""
        number = self.begin(unit, arrived=arrived)
        try:
            yield number
        except BaseException:
            self.drop(number)
            raise
        self.done(number)

    def arrived(self, at: float | None = None) -> int:
        """A unit has arrived, now or at `at`, and waits to be worked on; its number."""
        number, at_ns = next(self._units), _moment_ns(at)
        _put(self._waiting, number, at_ns)
        self._tell(Kind.ARRIVED, number, at_ns)
        return number

    def begin(self, unit: int | None = None, *, arrived: float | None = None) -> int:
        """Work begins on a unit; its number.

        Args:
            unit: the one that waits; by default the one that has waited longest, or a new one if none waits.
            arrived: makes it a new one that arrived, or was due, then.
        """
        now_ns = _clock_ns()
        number = unit or (_oldest(self._waiting) if arrived is None else 0)
        arrived_ns = self._waiting.pop(number, None)
        if arrived_ns is None:
            number, arrived_ns = next(self._units), _moment_ns(arrived)
        times_ns = min(arrived_ns, now_ns), now_ns
        _put(self._running, number, times_ns)
        self._tell(Kind.BEGAN, number, *times_ns)
        return number

    def done(self, unit: int | None = None) -> None:
        """A unit is done: `unit`, or the one that has been worked on longest.

        If none has begun: the one that has waited longest, or one that took all the time since the last end.
        """
        now_ns = _clock_ns()
        number = unit or _oldest(self._running) or _oldest(self._waiting)
        times_ns = self._running.pop(number, None)
        if times_ns is None:
            arrived_ns = self._waiting.pop(number, None)
            if number and arrived_ns is None:
                return  # it has ended before
            began_ns = max(arrived_ns or 0, self._ended_ns)
            times_ns = began_ns if arrived_ns is None else arrived_ns, began_ns
        self._ended_ns = now_ns
        self._tell(Kind.DONE, number or next(self._units), *times_ns, now_ns)

    def drop(self, unit: int | None = None) -> None:
        """A unit will not be done: `unit`, or the one that has waited longest. It counts neither way."""
        number = unit or _oldest(self._waiting) or _oldest(self._running)
        arrived_ns = self._waiting.pop(number, None) or self._running.pop(number, (None,))[0]
        if arrived_ns is not None:
            self._tell(Kind.DROPPED, number, arrived_ns)

    def close(self) -> None:
        """The workload ends."""
        self._waiting.clear()
        self._running.clear()
        self._tell(Kind.CLOSED, 0, 0, 0)

    def _tell(self, kind: Kind, number: int, *times_ns: int) -> None:
        send(self._encode(kind, self._number, number, len(self._waiting) + len(self._running), *times_ns))


def _moment_ns(at_s: float | None) -> int:
    now_ns = _clock_ns()
    if at_s is None or not 0 <= at_s * 1e9 <= now_ns:  # nor is NaN a time
        return now_ns
    return int(at_s * 1e9)


def _oldest(units: dict[int, T]) -> int:
    """The first number; 0 if there is none."""
    try:
        return next(iter(units), 0)
    except RuntimeError:  # another thread has changed them between the two steps
        return _oldest(units)


def _put(units: dict[int, T], number: int, times_ns: T) -> None:
    if len(units) >= _OPEN_MAX:
        units.pop(_oldest(units), None)
    units[number] = times_ns
