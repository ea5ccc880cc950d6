"""Where the courier keeps readings: the outbox on disk, and one in memory while the disk fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from functools import partial
from pathlib import Path
from typing import TypeVar

from edgeagent.clock import UNSYNCED
from edgeagent.outbox import BATCH_MAX_BYTES, Batch, Loss, Outbox, OutboxCorrupt, OutboxUnavailable
from edgeagent.recovery import salvage, set_aside
from edgeagent.report import Report
from edgeagent_sdk.lineproto import PLAUSIBLE_FROM_NS
from edgeagent_sdk.messages import Severity

T = TypeVar("T")

_OVERFLOW_MAX_BYTES = 8 << 20
_RETRY_MIN_S, _RETRY_MAX_S = 5.0, 60.0


class Storage:
    """Never refuses a reading and never raises: what goes wrong with the disk is reported and got round.

    Args:
        path: the outbox file.
        max_bytes: its budget.
    """

    def __init__(self, path: Path, max_bytes: int, report: Report) -> None:
        self._path, self._max_bytes, self._report = path, max_bytes, report
        self._disk: Outbox | None = None
        self._overflow: Outbox | None = None
        self._failing = False
        self._retry_ns = 0
        self._retry_s = _RETRY_MIN_S
        self._unremoved: list[tuple[str, int, int]] = []
        self._wreck: Path | None = None  # set aside, and not yet salvaged
        self._reopen()

    @property
    def boxes(self) -> list[Outbox]:
        """Every outbox that may hold batches, the one on disk first."""
        return [box for box in (self._disk, self._overflow) if box]

    @property
    def active(self) -> Outbox:
        """The outbox that takes readings now."""
        if self._disk and not self._failing:
            return self._disk
        if self._overflow is None:
            self._overflow = Outbox(None, min(_OVERFLOW_MAX_BYTES, self._max_bytes))
        return self._overflow

    def commit(self) -> None:
        """Make what was put survive the death of the process."""
        self._write(lambda box: box.commit())

    def seal(self, clock: str, time_ns: int, *, held: bool) -> None:
        """Close what waits into batches."""
        if self._disk and not self._failing:
            self._done(self._disk, lambda box: box.check_file())
        self._write(lambda box: box.seal(clock, time_ns, held=held))

    def after(self, box: Outbox, seq: int, limit: int) -> list[Batch]:
        """`Outbox.after`, or nothing while the disk fails."""
        return self._on(box, lambda b: b.after(seq, limit), [])

    def oldest_ns(self, box: Outbox) -> int | None:
        """`Outbox.oldest_ns`, or None while the disk fails."""
        return self._on(box, lambda b: b.oldest_ns(), None)

    def remove(self, boot: str, first: int, last: int) -> list[int] | None:
        """Forget acknowledged batches; their seqs.

        None if that cannot be told: the disk fails and is asked again later, or the batches have
        moved to an outbox of another name since they were sent.
        """
        for box in self.boxes:
            if box.boot == boot:
                removed = self._on(box, lambda b: b.remove(first, last), None)
                if removed is None:
                    self._unremoved.append((boot, first, last))
                return removed
        return None

    def thin(self, keep: Collection[tuple[str, int]]) -> Loss:
        """Bring every outbox under its budget."""
        total = Loss()
        for box in self.boxes:
            if box.size_bytes > box.max_bytes:
                busy = {seq for boot, seq in keep if boot == box.boot}
                loss = self._on(box, lambda b: b.thin(busy), Loss())  # noqa: B023 - called at once
                total = Loss(total.thinned + loss.thinned, total.dropped + loss.dropped)
        return total

    def release(self, restamp: Callable[[str], str], clock: str, by_ns: int) -> int:
        """Let go of batches held back for an unset clock, with their stamps put right."""
        return sum(self._on(box, lambda b: b.release(restamp, clock, by_ns), 0) for box in self.boxes)

    def held(self) -> int:
        """How many batches are held back."""
        return sum(self._on(box, lambda b: b.held(), 0) for box in self.boxes)

    def resize(self, max_bytes: int) -> None:
        """Change the budget of the outbox on disk."""
        self._max_bytes = max_bytes
        if self._disk:
            self._disk.max_bytes = max_bytes

    def recover(self) -> None:
        """Called now and then: try a failing disk again."""
        if (self._disk and not self._failing) or time.monotonic_ns() < self._retry_ns:
            return
        if self._disk is None:
            self._reopen()
        elif self._done(self._disk, lambda box: box.probe()):
            self._recovered()

    def close(self) -> None:
        """Let go of the files."""
        for box in self.boxes:
            box.close()

    def _write(self, action: Callable[[Outbox], None]) -> None:
        box = self.active
        if self._done(box, action):
            return
        # The disk failed, or its file was replaced, in the middle: what it did not take goes elsewhere.
        if box is not self.active:
            self._refill(box.take_buffer())
        self._done(self.active, action)

    def _refill(self, parts: Iterable[tuple[str, int]]) -> int:
        total = 0
        unset = False
        for lines, readings in parts:
            self.active.put(lines, readings)
            total += readings
            unset = unset or _unset(lines)
            if self.active.waiting_bytes > BATCH_MAX_BYTES:
                self._write(partial(Outbox.seal, clock=UNSYNCED, time_ns=time.time_ns(), held=unset))
                unset = False
        return total

    def _done(self, box: Outbox, action: Callable[[Outbox], None]) -> bool:
        def act(box: Outbox) -> bool:
            action(box)
            return True

        return self._on(box, act, False)

    def _on(self, box: Outbox, action: Callable[[Outbox], T], otherwise: T) -> T:
        try:
            return action(box)
        except OutboxUnavailable as error:
            self._failed(error)
        except OutboxCorrupt as error:
            self._replace(box, error)
        return otherwise

    def _reopen(self) -> None:
        try:
            self._disk = Outbox(self._path, self._max_bytes)
        except OutboxUnavailable as error:
            self._failed(error)
        except OutboxCorrupt as error:
            self._replace(None, error)
        else:
            self._recovered()

    def _failed(self, error: OutboxUnavailable) -> None:
        if not self._failing:
            self._report(
                "outbox-failing",
                f"{error}; readings wait in memory until the disk takes them: free space or check the disk",
                Severity.ERROR,
            )
        self._failing = True
        self._retry_ns = time.monotonic_ns() + int(self._retry_s * 1e9)
        self._retry_s = min(2 * self._retry_s, _RETRY_MAX_S)

    def _recovered(self) -> None:
        if self._failing:
            self._report("outbox-recovered", f"outbox {self._path}: the disk takes readings again")
        self._failing = False
        self._retry_s = _RETRY_MIN_S
        unremoved, self._unremoved = self._unremoved, []
        for boot, first, last in unremoved:
            self.remove(boot, first, last)
        if self._wreck:
            wreck, self._wreck = self._wreck, None
            self._refill(salvage(wreck))
        if self._overflow:
            self._unload(self._overflow)

    def _unload(self, overflow: Outbox) -> None:
        """Put on the disk what was kept in memory meanwhile; what is on its way just arrives twice."""
        self._overflow = None
        self._refill(overflow.everything())
        self.commit()
        overflow.close()

    def _replace(self, broken: Outbox | None, error: OutboxCorrupt) -> None:
        """Set a broken file aside, start a fresh one, and carry over what is still known."""
        known = broken.memory() if broken else []
        if broken:
            broken.take_buffer()  # it is part of `known`
        self._disk = None
        try:
            # Before it is closed: that folds the write-ahead log, which may be sound, into the broken file.
            aside = self._wreck = set_aside(self._path)
            if broken:
                broken.close()
            self._disk = Outbox(self._path, self._max_bytes)
        except (OSError, OutboxUnavailable, OutboxCorrupt) as again:
            self._failed(OutboxUnavailable(f"{error}; it cannot be begun afresh: {again}"))
            self._refill(known)
            return
        self._wreck = None
        kept = self._refill(known)
        kept += self._refill(part for part in salvage(aside) if part not in known)
        self._report(
            "outbox-corrupt",
            f"{error}; set aside as {aside.name}, begun afresh with {kept} readings that could be saved",
            Severity.ERROR,
        )


def _unset(lines: str) -> bool:
    """Whether these were read before the clock was set."""
    stamp = lines.rstrip("\n").rpartition(" ")[2]
    return stamp.isdecimal() and int(stamp) < PLAUSIBLE_FROM_NS
