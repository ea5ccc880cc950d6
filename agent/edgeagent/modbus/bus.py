"""Buses: one connection for each serial port or gateway, shared by all devices of this process behind it.

Every device has a thread of its own, but a line carries one request at a time: whoever speaks holds its
lock for that one exchange, so that devices on one line take turns and none waits for another's pass.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable
from typing import NamedTuple, Protocol

from edgeagent.modbus.mbap import Mbap
from edgeagent.modbus.rtu import Rtu
from edgeagent.modbus.serialport import SerialPort
from edgeagent.modbus.stream import Stream
from edgeagent.modbus.tcp import TcpStream
from edgeagent_sdk.errors import DriverError


class Serial(NamedTuple):
    """A serial line: where it is and how it is driven."""

    port: str
    baud: int
    parity: str = "N"
    stop_bits: int = 1

    def line(self) -> Rtu:
        """Open it. Raises DriverError."""
        return Rtu(SerialPort(self.port, self.baud, self.parity, self.stop_bits))


class Tcp(NamedTuple):
    """A device or gateway on TCP; `rtu`: it takes RTU frames as they are, as plain serial servers do."""

    host: str
    port: int
    timeout_s: float
    rtu: bool = False

    def line(self) -> Rtu | Mbap:
        """Connected at the first exchange."""
        stream = TcpStream(self.host, self.port, self.timeout_s)
        return Rtu(stream) if self.rtu else Mbap(stream)


class Line(Protocol):
    """Frames on a stream: `Rtu` or `Mbap`."""

    ordered: bool
    stream: Stream

    def exchange(self, unit_id: int, request: bytes, timeout_s: float) -> bytes:
        """As `Rtu.exchange`."""


class Bus:
    """A line and who is on it. Made by `join`, given back by `leave`."""

    def __init__(self, key: Hashable, place: Serial | Tcp) -> None:
        self.place, self.users = place, 1
        self._key = key
        self._line: Line = place.line()
        self._lock = threading.Lock()
        self._free_s = 0.0

    @property
    def name(self) -> str:
        """The port's path, or ``host:port``."""
        return self._line.stream.name

    @property
    def ordered(self) -> bool:
        """Whether a late answer can be told from the right one."""
        return self._line.ordered

    def exchange(self, unit_id: int, request: bytes, timeout_s: float, pause_s: float = 0.0) -> bytes:
        """One request and its answer, as `Rtu.exchange`; then the line is left alone for `pause_s`."""
        with self._lock:
            wait_s = self._free_s - time.monotonic()
            if wait_s > 0:
                time.sleep(wait_s)
            try:
                return self._line.exchange(unit_id, request, timeout_s)
            except DriverError:
                self._lost()
                raise
            finally:
                self._free_s = time.monotonic() + pause_s

    def drain(self, silence_s: float) -> None:
        """Read away what still comes, until nothing has for `silence_s`. Raises DriverError."""
        with self._lock:
            self._line.stream.drain(silence_s)

    def leave(self) -> None:
        """One device fewer; the last one hangs up."""
        with _LOCK:
            self.users -= 1
            if not self.users:
                self._line.stream.close()
                self._forget()

    def _lost(self) -> None:
        """A serial port that is gone does not come back in an open file: the next to join opens it anew."""
        if isinstance(self.place, Serial):
            self._line.stream.close()
            with _LOCK:
                self._forget()

    def _forget(self) -> None:
        if _BUSES.get(self._key) is self:
            del _BUSES[self._key]


_BUSES: dict[Hashable, Bus] = {}
_LOCK = threading.Lock()


def join(place: Serial | Tcp) -> Bus:
    """The bus at a place, opened if this is its first device.

    Raises:
        DriverError: it cannot be opened, or another device drives it in another way.
    """
    key = place.port if isinstance(place, Serial) else (place.host, place.port)
    with _LOCK:
        bus = _BUSES.get(key)
        if bus is None:
            bus = _BUSES[key] = Bus(key, place)
            return bus
        if _manner(bus.place) != _manner(place):
            raise DriverError(
                f"{bus.name}: another device uses it as {_manner(bus.place)}, this one as {_manner(place)}",
                "give the devices on one line the same settings",
            )
        bus.users += 1
        return bus


def _manner(place: Serial | Tcp) -> str:
    if isinstance(place, Serial):
        return f"{place.baud} baud 8{place.parity}{place.stop_bits}"
    return "RTU over TCP" if place.rtu else "Modbus TCP"
