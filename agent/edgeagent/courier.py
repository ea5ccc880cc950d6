"""The courier: takes readings from the samplers, keeps them in the outbox, sends them until acknowledged.

One thread owns the outbox and the window of batches in flight; everybody else posts to its inbox.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from edgeagent.clock import STEPPED, Clock, Step
from edgeagent.outbox import BATCH_MAX_BYTES, Batch, Outbox
from edgeagent.report import Report
from edgeagent.schedule import Schedule, jitter
from edgeagent.storage import Storage
from edgeagent.window import Window
from edgeagent_sdk.batch import Header, encode_header
from edgeagent_sdk.lineproto import PLAUSIBLE_FROM_NS, shift
from edgeagent_sdk.messages import Ack, Severity
from edgeagent_sdk.names import Identity

#: Readings are committed at once, but commits take at most this share of the time: so a ``kill -9``
#: costs the readings of a few milliseconds, and a slow disk does not stop the rest.
_COMMIT_SHARE = 0.05

_CHECK_S = 1.0

#: So long a reading may be under way from its driver when the clock is set.
_LATE_S = 60.0

#: Losses are reported at most this often; their sums are in the self-metrics all the time.
_LOSS_REPORT_S = 60.0


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """How readings are kept and sent: the ``[outbox]`` table of the configuration."""

    max_bytes: int
    batch_s: float
    stored: bool
    ack_timeout_s: float
    window: int


class Status(NamedTuple):
    """The outbox seen from outside."""

    batches: int = 0
    size_bytes: int = 0
    oldest_ns: int | None = None


class Tally:
    """Sums since the start of the process, for the self-metrics."""

    readings = 0
    thinned = 0
    dropped = 0
    refused = 0
    ack_latency_s = 0.0


class Courier(threading.Thread):
    """Readings in, acknowledged batches out.

    Args:
        storage: made by the caller so that a fatal mistake shows before any thread runs.
        send: hands a payload to the MQTT client; its message id, or None.
        clock: this thread alone calls its `check`.
    """

    def __init__(
        self,
        storage: Storage,
        terms: Terms,
        identity: Identity,
        instance: str,
        send: Callable[[bytes], int | None],
        clock: Clock,
        report: Report,
    ) -> None:
        super().__init__(name="courier", daemon=True)
        self.tally = Tally()
        self.status = Status()
        self._alive_ns = time.monotonic_ns()
        self._storage, self._identity, self._instance = storage, identity, instance
        self._clock, self._report = clock, report
        self._window = Window(send, terms.window, terms.ack_timeout_s)
        self._inbox: queue.SimpleQueue[tuple[Callable[..., None], tuple[Any, ...]]] = queue.SimpleQueue()
        self._cursor: dict[str, int] = {}
        self._open_road = False
        self._header_ns = 0
        self._unset_by_ns = self._unset_until_ns = 0
        self._seal_ns = self._safe_bytes = 0
        self._lost = 0
        self._lost_told_ns = 0
        self._commit_ns = self._check_ns = 0
        self._finish_ns: int | None = None
        self._adopt(terms)
        self._release_held()

    # From any thread.

    @property
    def silent_s(self) -> float:
        """Seconds since the thread last came round."""
        return (time.monotonic_ns() - self._alive_ns) / 1e9

    @property
    def boot(self) -> str:
        """The outbox that takes readings now."""
        return self._storage.active.boot

    def put(self, lines: str, readings: int) -> None:
        """Take readings over from a sampler."""
        self._inbox.put((self._take, (lines, readings)))

    def acknowledged(self, ack: Ack) -> None:
        """The aggregator answered."""
        self._inbox.put((self._acknowledged, (ack,)))

    def published(self, mid: int) -> None:
        """The broker holds message `mid`."""
        self._inbox.put((self._published, (mid,)))

    def road(self, is_open: bool, *, new_client: bool = False) -> None:
        """Batches can go out, or not now. `new_client`: another MQTT client than before sends them."""
        self._inbox.put((self._road, (is_open, new_client)))

    def reconfigure(self, terms: Terms) -> None:
        """Go on under other terms."""
        self._inbox.put((self._adopt, (terms,)))

    def finish(self, patience_s: float) -> None:
        """Seal what waits, give the acknowledgements `patience_s` to arrive, and end the thread."""
        self._inbox.put((self._finish, (patience_s,)))

    # The thread.

    def run(self) -> None:
        """The thread's body."""
        while not self._finished():
            self._read_inbox()
            now = self._alive_ns = time.monotonic_ns()
            if now >= self._check_ns:
                self._check(now)
            self._keep(now)
            if self._open_road:
                self._window.resend()
                for box in self._storage.boxes:
                    self._launch(box)
        self._storage.close()

    def _read_inbox(self) -> None:
        now = time.monotonic_ns()
        due = min(self._check_ns, self._seal_ns)
        if self._storage.active.waiting_bytes > self._safe_bytes:
            due = min(due, self._commit_ns)
        try:
            action, args = self._inbox.get(timeout=max(0, due - now) / 1e9)
            action(*args)
            for _ in range(self._inbox.qsize()):
                action, args = self._inbox.get_nowait()
                action(*args)
        except queue.Empty:
            pass

    def _keep(self, now: int) -> None:
        """Commit or seal, whatever is due."""
        box = self._storage.active
        if now >= self._seal_ns:
            self._seal_ns = self._schedule.next_ns(now)
            self._seal()
        elif box.waiting_bytes >= BATCH_MAX_BYTES:
            self._seal()
        elif box.waiting_bytes > self._safe_bytes and now >= self._commit_ns:
            self._storage.commit()
            self._safe_bytes = self._storage.active.waiting_bytes
            done = time.monotonic_ns()
            self._commit_ns = done + int((done - now) / _COMMIT_SHARE)

    def _seal(self) -> None:
        self._safe_bytes = 0
        if not self._storage.active.waiting:
            return
        self._header_ns = max(self._clock.now_ns(), self._header_ns + 1000)
        self._storage.seal(self._clock.state, self._header_ns, held=not self._clock.is_set)
        loss = self._storage.thin(self._window.flights)
        self.tally.thinned += loss.thinned
        self.tally.dropped += loss.dropped
        self._lost += loss.thinned + loss.dropped
        self._observe()

    def _launch(self, box: Outbox) -> None:
        while (room := self._window.room) > 0 and self._cursor.get(box.boot, 0) < box.last:
            batches = self._storage.after(box, self._cursor.get(box.boot, 0), min(room, 8))
            if not batches:
                return
            for batch in batches:
                if batch.lines is None:
                    self._rotten(box.boot, batch)
                elif self._window.room <= 0 or not self._window.launch(
                    (box.boot, batch.seq), self._payload(box.boot, batch, batch.lines)
                ):
                    return
                self._cursor[box.boot] = batch.seq

    def _payload(self, boot: str, batch: Batch, lines: str) -> bytes:
        header = Header(
            self._identity,
            boot,
            batch.seq,
            batch.readings,
            batch.clock,
            batch.time_ns,
            self._instance,
            merged=batch.seq - batch.first,
            thinned=batch.thinned,
        )
        return (encode_header(header) + lines).encode()

    def _rotten(self, boot: str, batch: Batch) -> None:
        self._storage.remove(boot, batch.first, batch.seq)
        self.tally.dropped += batch.readings
        self._report(
            "outbox-damaged",
            f"batch {batch.seq} is damaged on the disk, {batch.readings} readings lost; check the disk",
            Severity.ERROR,
        )

    def _check(self, now: int) -> None:
        self._check_ns = now + int(_CHECK_S * 1e9)
        step = self._clock.check()
        if step:
            self._stepped(step)
        if self._unset_by_ns and self._storage.held():  # again, if the disk failed at that moment
            self._storage.release(self._restamp, STEPPED, self._unset_by_ns)
        self._storage.recover()
        self._observe()
        if self._lost and now - self._lost_told_ns > _LOSS_REPORT_S * 1e9:
            self._report(
                "outbox-full",
                f"the outbox is over its budget: {self._lost} readings thinned or dropped, oldest first; "
                "raise outbox.max_bytes or mend the link",
                Severity.WARNING,
            )
            self._lost, self._lost_told_ns = 0, now

    def _stepped(self, step: Step) -> None:
        seconds = step.by_ns / 1e9
        self._report("clock-stepped", f"the wall clock jumped by {seconds:+.3f} s", Severity.WARNING)
        if step.set_ns:
            self._unset_by_ns = step.set_ns
            self._unset_until_ns = time.monotonic_ns() + int(_LATE_S * 1e9)
            self._seal_held()
        if step.by_ns < 0 and not self._clock.slewing:
            self._header_ns = 0  # stamps begin anew
        self._seal_ns = self._schedule.next_ns(time.monotonic_ns())

    def _seal_held(self) -> None:
        if self._storage.active.waiting:
            self._storage.seal(STEPPED, self._clock.now_ns() - self._unset_by_ns, held=True)
            self._safe_bytes = 0

    def _restamp(self, lines: str) -> str:
        return shift(lines, self._unset_by_ns, before_ns=PLAUSIBLE_FROM_NS)

    def _release_held(self) -> None:
        """Batches that an earlier run held back: without its clock their true time is not known."""
        if self._clock.is_set and (count := self._storage.release(lambda lines: lines, STEPPED, 0)):
            self._report(
                "clock-unset",
                f"{count} batches were read before the clock was set, and the agent ended before it was: "
                "their time is wrong",
                Severity.WARNING,
            )

    def _observe(self) -> None:
        boxes = self._storage.boxes
        oldest = [ns for box in boxes if (ns := self._storage.oldest_ns(box)) is not None]
        self.status = Status(
            sum(box.depth for box in boxes), sum(box.size_bytes for box in boxes), min(oldest, default=None)
        )

    # What the inbox brings.

    def _take(self, lines: str, readings: int) -> None:
        if self._unset_until_ns and time.monotonic_ns() < self._unset_until_ns:
            lines = self._restamp(lines)  # read before the clock was set, handed over after
        self._storage.active.put(lines, readings)
        self.tally.readings += readings

    def _acknowledged(self, ack: Ack) -> None:
        for first, last in ack.stored:
            self._gone(ack.boot, first, last)
        for refusal in ack.refused:
            gone = self._gone(ack.boot, refusal.seq, refusal.seq)
            self.tally.refused += len(gone)
            self._report(
                "batch-refused",
                f"the aggregator will not store batch {refusal.seq}: {refusal.reason}",
                Severity.ERROR,
            )

    def _published(self, mid: int) -> None:
        key = self._window.broker_has(mid)
        if key and not self._terms.stored:
            self._gone(key[0], key[1], key[1])

    def _gone(self, boot: str, first: int, last: int) -> list[int]:
        removed = self._storage.remove(boot, first, last)
        if removed is None:
            removed = [seq for of, seq in self._window.flights if of == boot and first <= seq <= last]
        latency_s = self._window.landed((boot, seq) for seq in removed)
        if latency_s is not None:
            self.tally.ack_latency_s = latency_s
        return removed

    def _road(self, is_open: bool, new_client: bool) -> None:
        self._open_road = is_open
        if new_client:
            self._window.clear()
            self._cursor.clear()
        elif is_open:
            self._window.reconnected()

    def _adopt(self, terms: Terms) -> None:
        self._terms = terms
        self._window.batches, self._window.ack_timeout_s = terms.window, terms.ack_timeout_s
        self._storage.resize(terms.max_bytes)
        # Soon after the readings that were taken on the second, but not all the fleet at one moment.
        phase_s = terms.batch_s * (0.05 + jitter(str(self._identity), 0.25))
        self._schedule = Schedule(terms.batch_s, self._clock, phase_s)
        self._seal_ns = self._schedule.next_ns(time.monotonic_ns())
        self._safe_bytes = 0

    def _finish(self, patience_s: float) -> None:
        self._seal()
        self._finish_ns = time.monotonic_ns() + int(patience_s * 1e9)

    def _finished(self) -> bool:
        if self._finish_ns is None:
            return False
        sent = not self._open_road or not any(box.depth for box in self._storage.boxes)
        return sent or time.monotonic_ns() >= self._finish_ns
