"""The agent's end of a model's process: started, asked with a deadline, given up when it is silent."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from array import array
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from edgeagent.drivers.model import frames
from edgeagent.drivers.model.frames import Frame, Kind, NoFrame
from edgeagent.drivers.model.runtime import News, Output, Tensor
from edgeagent_sdk.errors import DriverError

_COMMAND: Final = (sys.executable, "-P", "-m", "edgeagent.drivers.model.worker")

#: What a process gets of our environment: enough to find its packages, no secret.
_ENVIRONMENT: Final = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "PYTHONPATH", "TMPDIR")

#: numpy's own libraries would start a thread for each core, each with memory of its own.
_ONE_THREAD: Final = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

_CHUNK = 1 << 16

#: A process that is asked to end may save what it has learned.
_END_S = 2.0

#: One whose socket is closed has ended, or is about to.
_GONE_S = 0.5


class Refused(DriverError):
    """The process says why it does not take the model."""


class Ended(DriverError):
    """The process is no more."""


class Loaded(NamedTuple):
    """What the process says of its model."""

    inputs: list[Tensor]
    outputs: list[Tensor]
    summary: str
    operators: list[str]
    proposed: list[Output]


class Answer(NamedTuple):
    """What came of one request.

    Args:
        values: one for each output; empty if there are none, which `fault` then explains.
        failed: whether that is held against the model.
    """

    values: Sequence[float] = ()
    fault: str = ""
    failed: bool = False


class Process:
    """One model in a process of its own, which cannot take the agent with it.

    Args:
        wanted: what to load, as `worker` takes it; `memory_mb` is in it.

    Attributes:
        news: what the model has told beside its values; whoever takes them empties it.
    """

    def __init__(self, wanted: Mapping[str, Any]) -> None:
        self.news: list[News] = []
        self.begun_s = time.monotonic()
        self._memory_mb = wanted["memory_mb"]
        self._buffer = bytearray()
        self._loaded: Loaded | None = None
        self._number = 0
        self._asked_s: float | None = None
        self._socket, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = subprocess.Popen(
                    [*_COMMAND, str(theirs.fileno())],
                    stdin=subprocess.PIPE,  # never written to: it breaks when we end, see `confinement`
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env=_environment(),
                    pass_fds=[theirs.fileno()],
                )
            except OSError as error:
                self._socket.close()
                raise DriverError(f"no process for the model: {(error.strerror or '').lower()}") from None
        self._send(Kind.LOAD, msgspec.json.encode(wanted), time.monotonic() + 1.0)

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def busy_s(self) -> float:
        """For how long it has owed an answer; 0 if it owes none."""
        return 0.0 if self._asked_s is None else time.monotonic() - self._asked_s

    def loaded(self, wait_s: float) -> Loaded | None:
        """What it has loaded; None if it is still at it after `wait_s`.

        Raises:
            Refused: it does not take the model.
            Ended: it crashed.
        """
        if self._loaded is None and (frame := self._receive(time.monotonic() + wait_s)):
            if frame.kind == Kind.REFUSED:
                raise Refused(*msgspec.json.decode(frame.body, type=tuple[str, str]))
            self._loaded = self._decoded(frame.body, Loaded)
        return self._loaded

    def ask(self, window: array[float], deadline_s: float) -> Answer:
        """One inference. What comes after `deadline_s`, in seconds, is dropped, whenever it comes.

        Raises:
            Ended: it crashed.
        """
        until_s = time.monotonic() + deadline_s
        if self._asked_s is not None and self._answer(time.monotonic()) is None:
            return Answer(fault=f"still at an inference begun {self.busy_s:.1f} s ago", failed=True)
        self._number = (self._number + 1) & 0xFFFFFFFF
        self._asked_s = time.monotonic()
        self._send(Kind.RUN, window.tobytes(), until_s)
        frame = self._answer(until_s)
        if frame is None:
            return Answer(fault=f"no answer within {1e3 * deadline_s:g} ms", failed=True)
        if frame.kind != Kind.VALUES:
            return Answer(fault=frame.body.decode("utf-8", "replace"), failed=frame.kind != Kind.NOT_YET)
        return Answer(array("d", frame.body))

    def end(self) -> None:
        """Ask it to end, and see to it that it does. May be called twice."""
        self._socket.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()

    def kill(self) -> None:
        """End it at once. May be called twice."""
        self._process.kill()
        self.end()

    def _answer(self, until_s: float) -> Frame | None:
        """The answer that is owed; None if it is not there by then."""
        while frame := self._receive(until_s):
            if frame.kind == Kind.NEWS:
                self.news += self._decoded(frame.body, list[News])
            elif frame.number == self._number:
                self._asked_s = None
                return frame
        return None

    def _send(self, kind: Kind, body: bytes, until_s: float) -> None:
        """Send, or find out that nobody listens; a request that did not go out whole never will."""
        self._socket.settimeout(max(until_s - time.monotonic(), 0.001))
        try:
            self._socket.sendall(frames.encode(kind, self._number, body))
        except TimeoutError:
            self._process.kill()
            raise Ended("it took no request, and was ended") from None
        except OSError:
            raise self._ended() from None

    def _receive(self, until_s: float) -> Frame | None:
        while True:
            try:
                if frame := frames.take(self._buffer):
                    return frame
                # A timeout of 0 would mean "not blocking", which raises something else.
                self._socket.settimeout(max(until_s - time.monotonic(), 1e-6))
                chunk = self._socket.recv(_CHUNK)
            except TimeoutError:
                return None
            except NoFrame:
                self._process.kill()
                raise Ended("it sent nonsense, and was ended") from None
            except OSError:
                raise self._ended() from None
            if not chunk:
                raise self._ended()
            self._buffer += chunk

    def _decoded(self, body: bytes, kind: Any) -> Any:
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.DecodeError:
            self._process.kill()
            raise Ended("it sent nonsense, and was ended") from None

    def _ended(self) -> Ended:
        try:
            code = self._process.wait(_GONE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return Ended("it fell silent, and was ended")
        return Ended(self._ending(code))

    def _ending(self, code: int) -> str:
        if code >= 0:
            return f"it ended by itself, with exit code {code}"
        name = signal.Signals(-code).name
        if -code in (signal.SIGABRT, signal.SIGKILL):
            return f"it crashed ({name}; perhaps for want of memory, memory_mb = {self._memory_mb})"
        return f"it crashed ({name})"


def _environment() -> dict[str, str]:
    return {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ} | _ONE_THREAD
