"""What workloads have told: sessions, the units that are open, and those done since a reader last looked.

Pure: time is given to it. Whatever it is told, it keeps no more than its bounds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Final, NamedTuple
from weakref import WeakKeyDictionary

from edgeagent_sdk.governor import Session, Unit
from edgeagent_sdk.hintrecord import Kind, Record, Target

#: Of more sessions at once, the newcomers are turned away.
SESSIONS_MAX: Final = 64

#: Of each session, the oldest are forgotten beyond these.
OPEN_MAX: Final = 1024
DONE_MAX: Final = 4096

#: A session that is silent for so long, or for this many of its deadlines, has ended without a word.
_SILENT_S: Final = 60.0
_SILENT_DEADLINES: Final = 3


class Owner(NamedTuple):
    """A session's own name among all: its process, and its number there."""

    pid: int
    number: int


class _Entry:
    """One session.

    Of an open unit it is known when it arrived, and when work began, 0 if that is to come; of one that is
    done, its number among all of the book.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.open: dict[int, tuple[int, int]] = {}
        self.done: deque[tuple[int, Unit]] = deque(maxlen=DONE_MAX)
        self.target: Target
        self.told_ns = 0

    def take(self, record: Record, number: int, now_ns: int) -> None:
        self.target, self.told_ns = record.target, now_ns
        self.open.pop(record.unit, None)
        if record.kind is Kind.DONE:
            self.done.append((number, _unit(record)))
        elif record.kind is not Kind.DROPPED:
            self.open[record.unit] = record.arrived_ns, record.began_ns
        # Of those told of longest ago, what is too many has ended, and the word of it was lost.
        excess = len(self.open) - min(record.open, OPEN_MAX)
        for unit in list(islice(self.open, max(0, excess))):
            del self.open[unit]

    def session(self, now_ns: int, cpus: frozenset[int], mark: int) -> Session:
        began_ns = [began_ns for _, began_ns in self.open.values() if began_ns]
        return Session(
            name=self.name,
            domains=self.target.domains,
            deadline_s=self.target.deadline_s,
            done=tuple(unit for number, unit in self.done if number > mark),
            pending_s=tuple(
                sorted((_age_s(arrived, now_ns) for arrived, _ in self.open.values()), reverse=True)
            ),
            running_s=max((_age_s(began, now_ns) for began in began_ns), default=None),
            misses=self.target.misses,
            cpus=cpus,
        )

    def forget_done(self, mark: int) -> None:
        """Everybody has read what was done up to this mark."""
        while self.done and self.done[0][0] <= mark:
            self.done.popleft()

    def silent(self, now_ns: int) -> bool:
        """Whether it has said nothing for longer than a session does that is still there."""
        return _age_s(self.told_ns, now_ns) > max(_SILENT_S, _SILENT_DEADLINES * self.target.deadline_s)


class Book:
    """All sessions of the machine."""

    def __init__(self) -> None:
        self._entries: dict[Owner, _Entry] = {}
        self._done = 0
        #: How far each reader has read, of the units done.
        self._marks: WeakKeyDictionary[object, int] = WeakKeyDictionary()

    @property
    def pids(self) -> set[int]:
        """The processes that have a session."""
        return {owner.pid for owner in self._entries}

    def take(self, record: Record, pid: int, now_ns: int) -> None:
        """What the process `pid` has told at `now_ns`.

        Raises:
            ValueError: it tells of what has not happened yet, or there is no room for one more session.
        """
        if max(record.arrived_ns, record.began_ns, record.ended_ns) > now_ns:
            raise ValueError("a time that has not come yet")
        owner = Owner(pid, record.session)
        if record.kind is Kind.CLOSED:
            self._entries.pop(owner, None)
        else:
            entry = self._entries.get(owner) or self._new(owner, record.target.name)
            self._done += record.kind is Kind.DONE
            entry.take(record, self._done, now_ns)

    def forget(self, pids: Iterable[int]) -> None:
        """These processes have ended."""
        gone = set(pids)
        self._entries = {owner: entry for owner, entry in self._entries.items() if owner.pid not in gone}

    def forget_silent(self, now_ns: int) -> None:
        """Those of whom nothing has been heard for long have ended without a word."""
        self._entries = {owner: entry for owner, entry in self._entries.items() if not entry.silent(now_ns)}

    def drain(
        self, now_ns: int, cpus: Callable[[int], frozenset[int]], reader: object
    ) -> tuple[Session, ...]:
        """Every session, with the units done since this reader last asked.

        Args:
            cpus: those that a process may use, for sessions that name no domains.
            reader: who asks. It is known for as long as it lives, and what all have read is forgotten.
        """
        mark = self._marks.get(reader, 0)
        sessions = tuple(
            entry.session(now_ns, frozenset() if entry.target.domains else cpus(owner.pid), mark)
            for owner, entry in self._entries.items()
        )
        self._marks[reader] = self._done
        read_by_all = min(self._marks.values())
        for entry in self._entries.values():
            entry.forget_done(read_by_all)
        return sessions

    def _new(self, owner: Owner, wanted: str) -> _Entry:
        if len(self._entries) >= SESSIONS_MAX:
            raise ValueError(f"{SESSIONS_MAX} sessions are at work, and no more are taken")
        names = {entry.name for entry in self._entries.values()}
        entry = self._entries[owner] = _Entry(_free(wanted, names))
        return entry


def _free(wanted: str, taken: set[str]) -> str:
    """The name, or with the lowest number behind it that is free."""
    name, number = wanted, 1
    while name in taken:
        number += 1
        suffix = f"-{number}"
        name = wanted[: 63 - len(suffix)] + suffix
    return name


def _unit(record: Record) -> Unit:
    arrived_ns, began_ns, ended_ns = record.arrived_ns, record.began_ns, record.ended_ns
    return Unit(ended_ns / 1e9, (ended_ns - began_ns) / 1e9, (ended_ns - arrived_ns) / 1e9)


def _age_s(since_ns: int, now_ns: int) -> float:
    return max(0, now_ns - since_ns) / 1e9
