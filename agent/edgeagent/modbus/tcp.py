"""A TCP connection to a Modbus device or gateway: made at the first write, and anew after each loss."""

from __future__ import annotations

import select
import socket
import time

from edgeagent.modbus.pdu import FrameError
from edgeagent_sdk.errors import DriverError

#: More than any frame.
_CHUNK_BYTES = 4096

#: A drain ends here even if somebody babbles on.
_DRAIN_MAX_S = 0.5


class TcpStream:
    """A `Stream` over TCP. `timeout_s`: for the connection to be made."""

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        self.name = f"{host}:{port}"
        self._address, self._timeout_s = (host, port), timeout_s
        self._socket: socket.socket | None = None
        self._poll = select.poll()

    def write(self, data: bytes) -> None:
        """Send; what was received and not read is dropped. Raises DriverError if nobody is there."""
        try:
            self._drop(self._connected())
            self._connected().sendall(data)
        except OSError as error:
            raise self._lost(error) from None

    def read(self, count: int, deadline_s: float) -> bytes:
        """At least `count` bytes, and what has come with them; fewer once `deadline_s` of the monotonic
        clock has come.

        Raises:
            FrameError: the peer has closed the connection; the next write makes another.
        """
        data = b""
        try:
            while len(data) < count and self._wait(deadline_s - time.monotonic()):
                data += self._take(self._connected())
        except OSError:
            self.close()
            raise FrameError("the connection was closed") from None
        return data

    def drain(self, silence_s: float) -> None:
        """Read away whatever comes until nothing has for `silence_s`."""
        until_s = time.monotonic() + _DRAIN_MAX_S
        try:
            while self._socket and time.monotonic() < until_s and self._wait(silence_s):
                self._take(self._socket)
        except OSError:
            self.close()

    def close(self) -> None:
        """Hang up; the next write connects anew."""
        if self._socket:
            self._poll.unregister(self._socket)
            self._socket.close()
        self._socket = None

    def _connected(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.create_connection(self._address, self._timeout_s)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._poll.register(self._socket, select.POLLIN)
        return self._socket

    def _wait(self, seconds: float) -> bool:
        return bool(self._poll.poll(max(0.0, 1e3 * seconds)))

    def _drop(self, connection: socket.socket) -> None:
        """Drop what nobody asked for; a connection that the peer has closed is made anew."""
        if self._wait(0.0):
            try:
                self._take(connection)
            except OSError:
                self.close()

    def _take(self, connection: socket.socket) -> bytes:
        data = connection.recv(_CHUNK_BYTES)
        if not data:
            raise ConnectionError("closed the connection")
        return data

    def _lost(self, error: OSError) -> DriverError:
        self.close()
        reason = "does not answer" if isinstance(error, TimeoutError) else error.strerror or str(error)
        return DriverError(
            f"{self.name}: {reason[:1].lower()}{reason[1:]}",
            "is the device on, is Modbus TCP enabled there, and does another program hold its connections?",
        )
