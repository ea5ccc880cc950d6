"""Processes that live and die with this one: started in order, watched, and stopped in reverse."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType, TracebackType

from edgeagent_sdk.errors import EdgeError

_STOP_S = 5.0
_POLL_S = 0.05

#: What tells us to end.
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

#: prctl(2): the kernel sends us this signal when our parent dies, however it dies.
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


class Child:
    """One process, its output in a file of its own."""

    def __init__(self, name: str, command: Sequence[str], log: Path, env: Mapping[str, str]) -> None:
        self.name, self.log = name, log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=env,
                start_new_session=True,  # Ctrl-C at the terminal is for us; we stop the children in order
                preexec_fn=_die_with_parent,
            )

    def check(self) -> None:
        """Raise EdgeError with its last words if it has ended."""
        code = self._process.poll()
        if code is not None:
            raise EdgeError(f"the {self.name} ended ({_ending(code)}): {self._last_words()}; log: {self.log}")

    def stop(self) -> bool:
        """Ask it to end, and see to it that it does. False if it had to be killed."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_S)
            return True
        except subprocess.TimeoutExpired:
            return False
        finally:
            # What it may have started itself shares its session.
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self._process.wait()

    def _last_words(self) -> str:
        lines = self.log.read_text("utf-8", "replace").splitlines()
        last = next((line for line in reversed(lines) if line.strip()), "it said nothing")
        return last.strip().removeprefix("edgeagent: ")


class Children:
    """All of them; leaving the block stops them, the last one first.

    A signal that tells us to end is only noted, and seen by the next `check`: it cuts short neither the start
    of a child, which nobody would stop then, nor the stop, however often it is sent.
    """

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._running: list[Child] = []
        self._told = False

    def start(self, name: str, command: Sequence[str], env: Mapping[str, str]) -> Child:
        """Start one more."""
        child = Child(name, command, self._logs / f"{name}.log", env)
        self._running.append(child)
        return child

    def wait_ready(self, ready: Callable[[], str], timeout_s: float) -> None:
        """Wait for the last one until `ready` has no more reason why not.

        Raises:
            EdgeError: it takes too long, or one of them has ended.
            KeyboardInterrupt: a signal tells us to end.
        """
        deadline = time.monotonic() + timeout_s
        while reason := ready():
            self.check()
            if time.monotonic() > deadline:
                last = self._running[-1]
                raise EdgeError(
                    f"the {last.name} is not ready after {timeout_s:g} s: {reason}; log: {last.log}"
                )
            time.sleep(_POLL_S)
        self.check()

    def check(self) -> None:
        """Raise EdgeError if one of them has ended, KeyboardInterrupt if a signal tells us to end."""
        if self._told:
            raise KeyboardInterrupt
        for child in self._running:
            child.check()

    def __enter__(self) -> Children:
        for number in _ENDING:
            signal.signal(number, self._tell)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child in reversed(self._running):
            if not child.stop():
                print(f"the {child.name} did not end within {_STOP_S:g} s and was killed")
        for number in _ENDING:  # one that comes late must not make a failure of what ended well
            signal.signal(number, signal.SIG_IGN)

    def _tell(self, _number: int, _frame: FrameType | None) -> None:
        self._told = True


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _ending(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"by {signal.Signals(-code).name}"
