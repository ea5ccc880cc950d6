"""A serial line between a node's port and whoever opens it, on which one can do what happens to cables."""

from __future__ import annotations

import math
import os
import random
import select
import termios
import threading
import time
import tty
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Self

from edgeagent_hil.rig.portlink import PortLink
from edgeagent_sdk.errors import EdgeError

_CHUNK = 4096

#: How often a node's port that is gone is looked for.
_SEARCH_S = 0.05


class Line:
    """A line from `node`, a port that exists or will, to a port of its own at the path `port`.

    It works like a USB adapter: pulled out, its port is gone, and whoever had it open reads the end; put
    back, the port is there again. What arrives while nobody is at the other end is lost.

    Args:
        seed: of the bit errors.
    """

    def __init__(self, node: Path, port: Path, *, seed: int = 0) -> None:
        self.node, self.port = node, port
        self.damaged_bits = 0
        self._error_rate = 0.0
        self._delay_s = 0.0
        self._random = random.Random(seed)
        self._node_fd = self._ours = self._theirs = -1
        self._late: deque[tuple[float, bytes]] = deque()
        self._orders: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._wake, self._waker = os.pipe()
        self._thread = threading.Thread(target=self._run, name="line", daemon=True)

    @contextmanager
    def unplugged(self) -> Iterator[None]:
        """The port is gone within the block."""
        self._order(self._unplug)
        try:
            yield
        finally:
            self._order(self._plug)

    @contextmanager
    def bit_errors(self, rate: float) -> Iterator[None]:
        """Within the block each bit, in both directions, is wrong with this probability."""
        self._error_rate = rate
        try:
            yield
        finally:
            self._error_rate = 0.0

    @contextmanager
    def slow(self, delay_s: float) -> Iterator[None]:
        """Within the block the node's bytes come later by so much."""
        self._delay_s = delay_s
        try:
            yield
        finally:
            self._delay_s = 0.0

    def __enter__(self) -> Self:
        self._plug()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._waker)
        self._thread.join()
        self._unplug()
        for fd in (self._wake, self._node_fd):
            if fd >= 0:
                os.close(fd)

    def _order(self, act: Callable[[], None]) -> None:
        """Have the thread do it, for it alone touches the ports; return when it is done."""
        done = threading.Event()
        self._orders.put(act)
        self._orders.put(done.set)
        os.write(self._waker, b"!")
        done.wait()

    def _plug(self) -> None:
        self._ours, self._theirs = os.openpty()
        tty.setraw(self._theirs)
        os.set_blocking(self._ours, False)
        # We hold their end open as well: an end that nobody has open could not be waited for.
        try:
            self._link = PortLink(self.port, os.ttyname(self._theirs))
        except EdgeError:
            self._close()
            raise

    def _unplug(self) -> None:
        self._link.remove()
        self._close()
        self._late.clear()

    def _close(self) -> None:
        for fd in (self._ours, self._theirs):
            os.close(fd)
        self._ours = self._theirs = -1

    def _run(self) -> None:
        while True:
            if self._node_fd < 0:
                self._node_fd = _open(self.node)
            fds = [fd for fd in (self._wake, self._node_fd, self._ours) if fd >= 0]
            ready, _, _ = select.select(fds, [], [], self._patience_s())
            if self._node_fd in ready:
                self._from_node()
            if self._ours in ready:
                _write(self._node_fd, self._damage(_read(self._ours)))
            self._deliver()
            if self._wake in ready:
                if not os.read(self._wake, _CHUNK):
                    return
                while not self._orders.empty():
                    self._orders.get()()

    def _patience_s(self) -> float | None:
        if self._late:
            return max(0.0, self._late[0][0] - time.monotonic())
        return _SEARCH_S if self._node_fd < 0 else None

    def _from_node(self) -> None:
        data = _read(self._node_fd)
        if data:
            self._late.append((time.monotonic() + self._delay_s, self._damage(data)))
        else:
            os.close(self._node_fd)
            self._node_fd = -1

    def _deliver(self) -> None:
        now = time.monotonic()
        while self._late and self._late[0][0] <= now:
            _write(self._ours, self._late.popleft()[1])

    def _damage(self, data: bytes) -> bytes:
        flips = list(flipped(8 * len(data), self._error_rate, self._random))
        if not flips:
            return data
        self.damaged_bits += len(flips)
        result = bytearray(data)
        for bit in flips:
            result[bit // 8] ^= 1 << bit % 8
        return bytes(result)


def flipped(bits: int, rate: float, random_: random.Random) -> Iterator[int]:
    """Which of so many bits are wrong, if each is with probability `rate`.

    One random number for each wrong bit: the gaps between independent errors are geometric.
    """
    if rate <= 0.0:
        return
    scale = math.log1p(-rate) if rate < 1.0 else -math.inf
    at = -1
    while (at := at + 1 + int(math.log(1.0 - random_.random()) / scale)) < bits:
        yield at


def _open(port: Path) -> int:
    """A serial port, raw, 115200 baud; -1 if it is not there."""
    try:
        fd = os.open(port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError:
        return -1
    tty.setraw(fd, termios.TCSANOW)
    settings = termios.tcgetattr(fd)
    settings[4] = settings[5] = termios.B115200
    termios.tcsetattr(fd, termios.TCSANOW, settings)
    return fd


def _read(fd: int) -> bytes:
    """What has arrived; empty if the other end is gone."""
    try:
        return os.read(fd, _CHUNK)
    except OSError:
        return b""


def _write(fd: int, data: bytes) -> None:
    """Send, as a UART does: to nobody, or to somebody who does not listen, it is lost."""
    try:
        if fd >= 0:
            os.write(fd, data)
    except OSError:
        pass
