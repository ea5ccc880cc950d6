"""A thread that does one slow thing again and again, and never twice at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from edgeagent_sdk.errors import DriverError

T = TypeVar("T")


class Poller(Generic[T]):
    """Has `work` done in a thread of its own when a result is asked for.

    What takes longer than the pause between two questions does not pile up: whoever asks meanwhile
    waits a moment, and then gets the last result, which has an age.

    Args:
        first: the result to begin with, and `begun_ns` the monotonic time from which it is.
    """

    def __init__(self, name: str, work: Callable[[], T], first: T, begun_ns: int) -> None:
        self._work = work
        self._last: T | DriverError = first
        self._last_ns = begun_ns
        self._running_since_ns = 0
        self._ended = False
        self._change = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def ask(self, wait_s: float) -> tuple[T, int]:
        """The newest result, and the monotonic time, ns, at which the work for it was begun.

        Waits `wait_s` at most for the work that is on its way or begins now.

        Raises:
            DriverError: the work failed.
        """
        with self._change:
            if not self._running_since_ns:
                self._running_since_ns = time.monotonic_ns()
                self._change.notify_all()
            self._change.wait_for(lambda: not self._running_since_ns, wait_s)
            if isinstance(self._last, DriverError):
                raise self._last
            return self._last, self._last_ns

    def end(self) -> None:
        """End the thread, after the work that it is in. Waits for nothing."""
        with self._change:
            self._ended = True
            self._change.notify_all()

    def _run(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._ended or self._running_since_ns)
                if self._ended:
                    return
            result = self._result()
            with self._change:
                self._last, self._last_ns = result, self._running_since_ns
                self._running_since_ns = 0
                self._change.notify_all()

    def _result(self) -> T | DriverError:
        try:
            return self._work()
        except DriverError as error:
            return error
        except Exception as error:  # it must reach the agent, which would otherwise wait for ever
            return DriverError(f"the driver failed: {type(error).__name__}: {error}")
