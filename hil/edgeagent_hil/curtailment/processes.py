"""Processes that a run starts, kills on purpose, starts again, and ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Final, Self

from edgeagent_sdk.errors import EdgeError

#: An agent ends within 5 s; thirty of them at once on a busy machine need some more.
_STOP_S: Final = 15.0

_POLL_S: Final = 0.1

#: What tells us to end.
_ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def edgeagent(*arguments: str) -> list[str]:
    """A command line of ours; what lies in the current directory must not stand in for a module."""
    return [sys.executable, "-P", "-m", "edgeagent", *arguments]


class Process:
    """One command, which may be started again; its output goes to a file of its own.

    The kernel ends it with whoever started it, however that ends.
    """

    def __init__(self, name: str, command: Sequence[str], log: Path) -> None:
        self.name, self.log = name, log
        self._command = ["setpriv", "--pdeathsig", "TERM", *command]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, once more if it was killed. Raises EdgeError."""
        with self.log.open("ab") as output:
            try:
                self._process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,  # Ctrl-C at the terminal is for us
                )
            except OSError as error:
                raise EdgeError(f"{error.filename}: {(error.strerror or str(error)).lower()}") from None

    def kill(self) -> None:
        """Kill it as a power cut would, and wait for its end."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def terminate(self) -> None:
        """Ask it to end; returns at once."""
        if self._process:
            self._process.terminate()

    def wait(self, until_s: float) -> None:
        """See to it that it has ended, at the latest at that moment of the monotonic clock."""
        if self._process:
            try:
                self._process.wait(max(0.0, until_s - time.monotonic()))
            except subprocess.TimeoutExpired:
                self.kill()
            self._process = None

    def check(self) -> None:
        """Raise EdgeError with its last words if it has ended unasked."""
        code = self._process.poll() if self._process else None
        if code is not None:
            raise EdgeError(f"the {self.name} ended with code {code}: {self.last_words()}; log: {self.log}")

    def last_words(self) -> str:
        """The last line of its log."""
        lines = self.log.read_text("utf-8", "replace").splitlines()
        last = next((line for line in reversed(lines) if line.strip()), "it said nothing")
        return last.strip().removeprefix("edgeagent: ")


class Company:
    """All processes of a run; leaving the block ends those that still run, all at once.

    A signal that tells us to end is only noted, and comes out of the next `wait`: it cuts short neither a
    start nor the end.
    """

    def __init__(self) -> None:
        self._members: list[Process] = []
        self._told = threading.Event()

    def __enter__(self) -> Self:
        for number in _ENDING:
            signal.signal(number, self._tell)
        return self

    def __exit__(self, *_: object) -> None:
        for member in reversed(self._members):
            member.terminate()
        until_s = time.monotonic() + _STOP_S
        for member in reversed(self._members):
            member.wait(until_s)

    def start(self, name: str, command: Sequence[str], log: Path) -> Process:
        """Start one more."""
        member = Process(name, command, log)
        member.start()
        self._members.append(member)
        return member

    def wait(self, seconds: float) -> None:
        """Wait, watching that all run that should. Raises EdgeError, or KeyboardInterrupt if told to end."""
        self._watch(lambda: " ", time.monotonic() + seconds)

    def wait_until(self, ready: Callable[[], str], timeout_s: float, what: str) -> None:
        """Wait until `ready` has no more reason why not.

        Raises:
            EdgeError: it takes too long, or a process has ended.
            KeyboardInterrupt: a signal tells us to end.
        """
        if reason := self._watch(ready, time.monotonic() + timeout_s):
            raise EdgeError(f"{what}: not within {timeout_s:g} s: {reason}")

    def _watch(self, ready: Callable[[], str], until_s: float) -> str:
        """The last reason why not, empty if there is none any more."""
        while reason := ready():
            for member in self._members:
                member.check()
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                break
            if self._told.wait(min(_POLL_S, left_s)):
                raise KeyboardInterrupt
        return reason

    def _tell(self, _number: int, _frame: FrameType | None) -> None:
        self._told.set()
