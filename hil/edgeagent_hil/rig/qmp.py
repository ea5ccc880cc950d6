"""QEMU's machine protocol, as much of it as a rig needs: commands, and events that can be waited for.

Ours, and not the package `qemu.qmp`: that one is asyncio, while labgrid's drivers and our tests are plain
blocking code, and a loop in a thread around it would be longer than this. labgrid's own client throws
events away, and those are how a watchdog shows.

Source: QEMU 7.2, docs/interop/qmp-spec.txt.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import deque
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from edgeagent_sdk.errors import EdgeError

_ANSWER_S = 10.0

#: So many events are remembered for whoever waits for one.
_EVENTS = 1000


class Event(NamedTuple):
    """Something that QEMU told without being asked, e.g. ``WATCHDOG`` or ``RESET``."""

    name: str
    data: dict[str, Any]


class Qmp:
    """One connection. Commands may come from any thread; a thread of its own takes what arrives.

    Args:
        connection: a connected stream; closing this object closes it.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._lines = connection.makefile("rb")
        self._answers: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self._one_command = threading.Lock()
        self._heard = threading.Condition()
        self._events: deque[tuple[int, Event]] = deque(maxlen=_EVENTS)
        self._next = 0
        self._closed = False
        threading.Thread(target=self._listen, name="qmp", daemon=True).start()
        self._answer("greeting")
        self.execute("qmp_capabilities")

    def execute(self, command: str, **arguments: Any) -> Any:
        """The answer to one command. Raises EdgeError if QEMU refuses it, or is gone."""
        line = json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n"
        with self._one_command:
            try:
                self._socket.sendall(line)
            except OSError as error:
                raise EdgeError(f"QEMU: {command}: {error.strerror}; it has ended") from None
            answer = self._answer(command)
        if "error" in answer:
            raise EdgeError(f"QEMU: {command} {arguments}: {answer['error']['desc']}")
        return answer["return"]

    def mark(self) -> int:
        """Where the events are now: `wait` with it sees only later ones."""
        with self._heard:
            return self._next

    def wait(self, *names: str, after: int, timeout_s: float) -> tuple[Event, int] | None:
        """The first event of one of these `names` after a mark, and the mark behind it.

        None if none comes in time, or the connection ends.
        """
        deadline = time.monotonic() + timeout_s
        with self._heard:
            while True:
                for at, event in self._events:
                    if at >= after and event.name in names:
                        return event, at + 1
                rest_s = deadline - time.monotonic()
                if self._closed or rest_s <= 0:
                    return None
                self._heard.wait(rest_s)

    def close(self) -> None:
        """End the connection; whoever waits is released."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._socket.close()

    @property
    def closed(self) -> bool:
        """Whether QEMU is gone."""
        return self._closed

    def _answer(self, to: str) -> dict[str, Any]:
        try:
            answer = self._answers.get(timeout=_ANSWER_S)
        except Empty:
            raise EdgeError(f"QEMU: no answer to {to} within {_ANSWER_S:g} s") from None
        if not answer:
            raise EdgeError(f"QEMU: {to}: it has ended")
        return answer

    def _listen(self) -> None:
        try:
            for line in self._lines:
                message = json.loads(line)
                if "event" in message:
                    self._tell(Event(message["event"], message.get("data", {})))
                else:
                    self._answers.put(message)
        except (OSError, ValueError):
            pass
        self._answers.put({})
        with self._heard:
            self._closed = True
            self._heard.notify_all()

    def _tell(self, event: Event) -> None:
        with self._heard:
            self._events.append((self._next, event))
            self._next += 1
            self._heard.notify_all()
