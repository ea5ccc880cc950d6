"""The way of hints to the agent: a socket that never waits, and that finds each new agent by itself."""

from __future__ import annotations

import os
import socket
import threading
import time
from pathlib import Path
from typing import Final

#: Where the agent's socket is: what the variable names, or the first of the paths that is there.
VARIABLE: Final = "EDGEAGENT_HINTS"
PATHS: Final = (Path("/run/edgeagent/hints"), Path("/var/lib/edgeagent/hints"))

#: An agent that is not there is looked for this often.
_LOOK_S: Final = 0.5


class Road:
    """The socket to the agent, from any thread."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._looking = threading.Lock()
        self._look_s = 0.0

    def send(self, datagram: bytes) -> None:
        """Send it, or not at all: an agent that is away or behind misses it."""
        way = self._socket or self._look()
        if way is None:
            return
        try:
            way.send(datagram)
        except BlockingIOError:
            pass  # its queue is full
        except OSError:  # it has gone
            self._socket = None

    def _look(self) -> socket.socket | None:
        now_s = time.monotonic()
        if now_s < self._look_s or not self._looking.acquire(blocking=False):
            return None
        try:
            self._look_s = now_s + _LOOK_S
            self._socket = _connected()
        finally:
            self._looking.release()
        return self._socket


def _connected() -> socket.socket | None:
    try:
        way = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        way.connect(_address())
    except OSError:
        return None
    return way


def _address() -> str:
    given = os.environ.get(VARIABLE)
    return given or str(next((path for path in PATHS if path.exists()), PATHS[0]))


send = Road().send
