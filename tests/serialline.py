"""A serial line on a pty, with a slave at its end: it can be unplugged, damaged and slowed."""

from __future__ import annotations

import os
import pty
import select
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.modelnode import request_length

Change = Callable[[bytes], bytes]
"""What happens to bytes on their way."""


def sound(data: bytes) -> bytes:
    """A line without faults."""
    return data


class SerialLine:
    """A pty that appears as `path` while plugged in.

    Args:
        path: where the master's end shows up.
        answer: the slave: an answer, or nothing, to each whole request.

    Attributes:
        to_slave, to_master: what the line does to a request and to an answer.
        pieces: in so many pieces an answer arrives, a little apart.
    """

    def __init__(self, path: Path, answer: Callable[[bytes], bytes]) -> None:
        self.path = path
        self.answer = answer
        self.to_slave: Change = sound
        self.to_master: Change = sound
        self.pieces = 1
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._pty: tuple[int, int] | None = None
        self.plug()

    def plug(self) -> None:
        """Make it appear."""
        self._ended.clear()
        self._pty = ours, theirs = pty.openpty()
        tty.setraw(theirs)
        self.path.symlink_to(os.ttyname(theirs))
        self._thread = threading.Thread(target=self._serve, args=(ours,), daemon=True)
        self._thread.start()

    def unplug(self) -> None:
        """Make it disappear, also for those who have it open."""
        if self._pty is None:
            return
        self.path.unlink()
        self._ended.set()
        assert self._thread is not None
        self._thread.join()
        for descriptor in self._pty:
            os.close(descriptor)
        self._pty = None

    def _serve(self, ours: int) -> None:
        received = b""
        while not self._ended.is_set():
            if not select.select([ours], [], [], 0.02)[0]:
                received = b""  # a pause: what is cut off stays cut off
                continue
            received += self.to_slave(os.read(ours, 4096))
            while len(received) >= (length := request_length(received)):
                request, received = received[:length], received[length:]
                if answer := self.to_master(self.answer(request)):
                    self._send(ours, answer)

    def _send(self, ours: int, answer: bytes) -> None:
        size = -(-len(answer) // self.pieces)
        for at in range(0, len(answer), size):
            if at:
                time.sleep(0.005)
            os.write(ours, answer[at : at + size])


@contextmanager
def serial_line(path: Path, answer: Callable[[bytes], bytes]) -> Iterator[SerialLine]:
    """A `SerialLine`, unplugged at the end."""
    line = SerialLine(path, answer)
    try:
        yield line
    finally:
        line.unplug()


@contextmanager
def pty_pair(one: Path, other: Path) -> Iterator[None]:
    """Two paths: what is written to the one is read from the other."""
    pairs = [pty.openpty() for _ in range(2)]
    for (_, theirs), path in zip(pairs, (one, other), strict=True):
        tty.setraw(theirs)
        path.symlink_to(os.ttyname(theirs))
    ours = [fd for fd, _ in pairs]
    ended = threading.Event()

    def copy() -> None:
        while not ended.is_set():
            for fd in select.select(ours, [], [], 0.05)[0]:
                os.write(ours[1 - ours.index(fd)], os.read(fd, 4096))

    thread = threading.Thread(target=copy, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        for fds in pairs:
            for fd in fds:
                os.close(fd)
