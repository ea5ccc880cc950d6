"""The thread that takes in what workloads tell, and hands it on when it is asked for."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from edgeagent.hints.inbox import Inbox
from edgeagent.hints.processes import Processes, cpus
from edgeagent.report import Report
from edgeagent_sdk.governor import Session
from edgeagent_sdk.hintbook import Book
from edgeagent_sdk.hintrecord import decode
from edgeagent_sdk.messages import Severity

#: Linux lets 10 datagrams wait (net.unix.max_dgram_qlen): after so many at once, more are gathered for as
#: long, which bounds what a flood can cost.
_BURST: Final = 10
_GATHER_S: Final = 0.001

#: The thread comes round at least this often, and looks who has gone.
_TURN_S: Final = 0.5


class Receiver(threading.Thread):
    """Takes hints in from `start` to `stop`.

    Raises:
        EdgeError: its socket cannot be there.

    Attributes:
        taken: so many records were understood.
        garbage: so many datagrams were not.
    """

    def __init__(self, path: Path, mode: int, report: Report) -> None:
        super().__init__(name="hints", daemon=True)
        self.taken = self.garbage = 0
        self._inbox = Inbox(path, mode)
        self._book, self._lock = Book(), threading.Lock()
        self._processes = Processes()
        self._report = report
        self._tidy_ns = 0
        self._ending = False

    def drain(self, reader: object) -> tuple[Session, ...]:
        """Every session, with what its units did since this reader's last call; from any thread."""
        with self._lock:
            now_ns = self._tidy()
            return self._book.drain(now_ns, cpus, reader)

    def stop(self) -> None:
        """End the thread and take the socket away."""
        self._ending = True
        self.join(2 * _TURN_S)
        self._inbox.close()
        with self._lock:
            self._processes.close()

    def run(self) -> None:
        """The thread's body."""
        # Woken by a workload's report, it does not push that workload off its CPU.
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        while not self._ending:
            burst = 0
            came = self._inbox.receive(_TURN_S)
            while came:
                self._take(*came)
                burst += 1
                came = self._inbox.receive() if burst < _BURST else None
            with self._lock:
                if time.monotonic_ns() >= self._tidy_ns:
                    self._tidy()
            if burst == _BURST:
                time.sleep(_GATHER_S)

    def _tidy(self) -> int:
        """Forget who has gone; the time now."""
        self._book.forget(self._processes.ended(self._book.pids))
        now_ns = time.monotonic_ns()
        self._book.forget_silent(now_ns)
        self._tidy_ns = now_ns + int(_TURN_S * 1e9)
        return now_ns

    def _take(self, datagram: bytes, pid: int) -> None:
        try:
            record = decode(datagram)
            with self._lock:
                self._book.take(record, pid, time.monotonic_ns())
        except ValueError as error:
            self._refuse(pid, str(error))
        else:
            self.taken += 1

    def _refuse(self, pid: int, why: str) -> None:
        self.garbage += 1
        if self.garbage == 1:  # once: who sends one such sends many
            words = f"process {pid} has sent what is no hint: {why}; more of the kind is only counted"
            self._report("hints-garbage", words, Severity.WARNING)
