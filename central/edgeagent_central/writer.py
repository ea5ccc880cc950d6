"""The writer: everything that has arrived goes to the store in one write; only then is it acknowledged.

While one write is under way the next one's batches gather, so that writes grow with the load by
themselves. Nothing is let go before the store has it: while the store is down the broker, and
behind it the agents, keep what they have.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from edgeagent_central.check import Bad, Checked
from edgeagent_central.fleet import Node
from edgeagent_central.stores.base import Store, StoreDown, StoreMisconfigured, StoreRejected

_LOG = logging.getLogger("edgeagent")

#: Larger writes gain nothing and only make the acknowledgements late.
_WRITE_MAX_BYTES = 4 << 20

_RETRY_MIN_S, _RETRY_MAX_S = 0.2, 10.0

_TEND_S = 1.0


class Arrival(NamedTuple):
    """A checked batch, with what its acknowledgement to the broker takes."""

    node: Node
    checked: Checked
    mid: int
    generation: int


class Writer(threading.Thread):
    """One thread that owns the writing side of the store.

    Args:
        on_stored: called with arrivals that the store has committed.
        on_bad: called with lines that the store refuses.
        queue_max_bytes: what may wait; `offer` refuses more.
    """

    def __init__(
        self,
        store: Store,
        queue_max_bytes: int,
        on_stored: Callable[[Sequence[Arrival]], None],
        on_bad: Callable[[Node, list[Bad]], None],
        on_room: Callable[[], None],
    ) -> None:
        super().__init__(name="writer", daemon=True)
        self.trouble = ""
        self.writes = 0
        self.write_s = 0.0
        self.written_bytes = 0
        self.waiting_bytes = 0
        self._store, self._max_bytes = store, queue_max_bytes
        self._on_stored, self._on_bad, self._on_room = on_stored, on_bad, on_room
        self._queue: queue.SimpleQueue[Arrival | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._turned_away = False
        self._tend_s = 0.0
        self._begun_s = 0.0
        self._stopping = threading.Event()

    @property
    def silence_s(self) -> float:
        """How long the write under way has had no answer; 0 if none is."""
        begun_s = self._begun_s
        return time.monotonic() - begun_s if begun_s else 0.0

    def offer(self, arrival: Arrival) -> bool:
        """Take a batch over, or refuse it because too much waits."""
        size = len(arrival.checked.payload)
        with self._lock:
            if self.waiting_bytes + size > self._max_bytes:
                self._turned_away = True
                return False
            self.waiting_bytes += size
        self._queue.put(arrival)
        return True

    def stop(self, timeout_s: float) -> None:
        """Finish the write that is under way, and end."""
        self._stopping.set()
        self._queue.put(None)
        self.join(timeout_s)

    def run(self) -> None:
        """The thread's body."""
        while not self._stopping.is_set():
            self._tend()
            arrivals = self._gather()
            if not arrivals:
                continue
            if not self._write([(a.node, a.checked.payload) for a in arrivals]):
                return  # stopped while the store was down: nobody was told that it had these
            self._on_stored(arrivals)
            self._release(sum(len(a.checked.payload) for a in arrivals))

    def _gather(self) -> list[Arrival]:
        arrivals: list[Arrival] = []
        size = 0
        try:
            item = self._queue.get(timeout=_TEND_S)
        except queue.Empty:
            return []
        while item is not None:
            arrivals.append(item)
            size += len(item.checked.payload)
            if size >= _WRITE_MAX_BYTES:
                break
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                break
        return arrivals

    def _tend(self) -> None:
        if time.monotonic() < self._tend_s:
            return
        try:
            self._store.tend()
        except StoreRejected as error:
            _LOG.error("the store refuses what it had taken: %s", error)
        except (StoreDown, StoreMisconfigured) as error:
            self._failed(str(error))
        else:
            self._recovered()
        self._tend_s = time.monotonic() + _TEND_S

    def _release(self, size: int) -> None:
        with self._lock:
            self.waiting_bytes -= size
            room_again = self._turned_away and self.waiting_bytes < self._max_bytes // 2
            self._turned_away = self._turned_away and not room_again
        if room_again:
            self._on_room()

    def _write(self, parts: Sequence[tuple[Node, bytes]]) -> bool:
        """Write until the store has it; False if we are to stop before."""
        pause_s = _RETRY_MIN_S
        while True:
            begun_s = self._begun_s = time.monotonic()
            try:
                self._store.write([payload for _, payload in parts])
            except StoreRejected as error:
                self._recovered()
                if error.lines is not None:
                    self._refused(parts, set(error.lines), str(error))
                    return True
                return self._divide(parts, str(error))
            except (StoreDown, StoreMisconfigured) as error:
                self._failed(str(error))
                retry_s = getattr(error, "retry_s", None)
                if self._stopping.wait(retry_s if retry_s is not None else pause_s):
                    return False
                pause_s = min(2 * pause_s, _RETRY_MAX_S)
            else:
                self._recovered()
                self.writes += 1
                self.write_s += time.monotonic() - begun_s
                self.written_bytes += sum(len(payload) for _, payload in parts)
                return True
            finally:
                self._begun_s = 0.0

    def _refused(self, parts: Sequence[tuple[Node, bytes]], lines: set[bytes], reason: str) -> None:
        for node, payload in parts:
            if bad := [line for line in payload.splitlines() if line in lines]:
                self._on_bad(node, [Bad(line, f"the store refuses it: {reason}") for line in bad])

    def _divide(self, parts: Sequence[tuple[Node, bytes]], reason: str) -> bool:
        """Find the lines that the store refuses; everything else is written.

        By quantity first, for mostly it is a quantity that does not fit the store, then by halves.
        """
        groups = _by_quantity(parts)
        if len(groups) > 1:
            return all(self._write(group) for group in groups)
        if len(parts) == 1:
            node, payload = parts[0]
            lines = payload.splitlines(keepends=True)
            if len(lines) <= 1:
                self._on_bad(node, [Bad(payload.strip(), f"the store refuses it: {reason}")])
                return True
            parts = [(node, line) for line in lines]
        middle = len(parts) // 2
        return self._write(_joined(parts[:middle])) and self._write(_joined(parts[middle:]))

    def _failed(self, reason: str) -> None:
        if reason != self.trouble:
            _LOG.error("%s; nothing is acknowledged until it takes data again", reason)
        self.trouble = reason

    def _recovered(self) -> None:
        if self.trouble:
            _LOG.warning("the store takes data again")
        self.trouble = ""


def _by_quantity(parts: Sequence[tuple[Node, bytes]]) -> list[list[tuple[Node, bytes]]]:
    groups: dict[bytes, list[tuple[Node, bytes]]] = {}
    for node, payload in parts:
        for line in payload.splitlines(keepends=True):
            groups.setdefault(line.partition(b",")[0], []).append((node, line))
    return [_joined(group) for group in groups.values()]


def _joined(parts: Sequence[tuple[Node, bytes]]) -> list[tuple[Node, bytes]]:
    """Neighbouring lines of one node, put together again, so that halving goes on line by line."""
    joined: list[tuple[Node, bytes]] = []
    for node, payload in parts:
        if joined and joined[-1][0] is node:
            joined[-1] = (node, joined[-1][1] + payload)
        else:
            joined.append((node, payload))
    return joined
