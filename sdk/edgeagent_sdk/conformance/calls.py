"""Calls of a driver as the agent makes them: all on one thread, and none for longer than it may take."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from edgeagent_sdk.errors import DriverError

T = TypeVar("T")

_Outcome = tuple[Any, BaseException | None]

#: The name of our own thread, which no driver holds.
WORKER = "conformance"


class _Worker:
    """The thread on which drivers are called. What it is given last may hang; it is then given up."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[tuple[Callable[[], Any], queue.SimpleQueue[_Outcome]]] = (
            queue.SimpleQueue()
        )
        threading.Thread(target=self._work, name=WORKER, daemon=True).start()

    def call(self, function: Callable[[], Any], timeout_s: float) -> _Outcome:
        """Result and exception of `function`. Raises queue.Empty after `timeout_s`."""
        outcome: queue.SimpleQueue[_Outcome] = queue.SimpleQueue()
        self._calls.put((function, outcome))
        return outcome.get(timeout=timeout_s)

    def _work(self) -> None:
        while True:
            function, outcome = self._calls.get()
            try:
                outcome.put((function(), None))
            except BaseException as error:
                outcome.put((None, error))
            del function, outcome  # a driver must not live on here, nor what it holds open


_worker: list[_Worker] = []


def in_time(function: Callable[[], T], patience_s: float, what: str) -> T:
    """What `function` returns or raises.

    Raises:
        AssertionError: it has not ended within `patience_s`; the agent would report a driver that hangs.
    """
    if not _worker:
        _worker.append(_Worker())
    try:
        result, error = _worker[0].call(function, patience_s)
    except queue.Empty:
        _worker.clear()
        raise AssertionError(
            f"`{what}` has not returned within {patience_s:g} s. Give each wait for the device a timeout, and"
            " raise DriverError when it is over; if the device is honestly this slow, raise `patience_s`"
        ) from None
    if error is not None:
        raise error
    return result  # type: ignore[no-any-return]


def without_error(function: Callable[[], T], patience_s: float, what: str, advice: str) -> T:
    """What `function` returns. Raises AssertionError with the advice if it raises anything."""
    try:
        return in_time(function, patience_s, what)
    except AssertionError:
        raise
    except Exception as error:
        kind = type(error)
        name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
        raise AssertionError(f"`{what}` raised {name}: {error}. {advice}") from error


def refusal(function: Callable[[], object], patience_s: float, what: str) -> DriverError | None:
    """The DriverError by which `function` ended, None if it did not fail.

    Raises:
        AssertionError: it failed by anything else, which the agent would report as a bug of the driver.
    """

    def caught() -> DriverError | None:
        try:
            function()
        except DriverError as error:
            return error
        return None

    advice = "Raise DriverError(reason, remedy): people read it as one line, and the agent tries again"
    return without_error(caught, patience_s, what, advice)
