"""A TCP proxy that can misbehave as networks do: swallow what passes, or cut."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Proxy:
    """Passes bytes between whoever connects to `port` and `target`, in a thread of its own.

    Attributes:
        swallow: while set, bytes are read and dropped in both directions, and nobody is told: a
            half-open connection. New connections are accepted and end the same way.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.swallow = threading.Event()
        self._peers: dict[socket.socket, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._thread.start()

    def cut(self) -> None:
        """End all connections that are open now."""
        for end in list(self._peers):
            self._shut(end)

    def close(self) -> None:
        """Stop listening and end everything."""
        self._ended.set()
        self._thread.join()
        self.cut()
        self._listener.close()

    def _run(self) -> None:
        while not self._ended.is_set():
            for key, _ in self._selector.select(0.05):
                if key.fileobj is self._listener:
                    self._accept()
                elif isinstance(key.fileobj, socket.socket):
                    self._pass(key.fileobj)

    def _accept(self) -> None:
        near, _ = self._listener.accept()
        try:
            far = socket.create_connection(("127.0.0.1", self._target), 5.0)
        except OSError:
            near.close()
            return
        for end, other in ((near, far), (far, near)):
            self._peers[end] = other
            self._selector.register(end, selectors.EVENT_READ)

    def _pass(self, end: socket.socket) -> None:
        other = self._peers.get(end)
        if other is None:
            return
        try:
            data = end.recv(65536)
            if data and not self.swallow.is_set():
                other.sendall(data)
        except OSError:
            data = b""
        if not data:
            self._shut(end)

    def _shut(self, end: socket.socket) -> None:
        other = self._peers.pop(end, None)
        if other is None:
            return
        self._peers.pop(other, None)
        for one in (end, other):
            self._selector.unregister(one)
            # shutdown first: it wakes whoever is in recv, close alone does not.
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            one.close()


@contextmanager
def tcp_proxy(target: int) -> Iterator[Proxy]:
    """A `Proxy` in front of the loopback port `target`."""
    proxy = Proxy(target)
    try:
        yield proxy
    finally:
        proxy.close()
