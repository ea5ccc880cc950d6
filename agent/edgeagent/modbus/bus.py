"""Buses: one connection for each serial port or gateway, shared by all devices of this process behind it.

Every device has a thread of its own, but a line carries one request at a time: whoever speaks holds its
lock for that one exchange, so that devices on one line take turns and none waits for another's pass.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar, Protocol

from edgeagent.modbus.mbap import Mbap
from edgeagent.modbus.rtu import Rtu
from edgeagent.modbus.serialport import SerialPort
from edgeagent.modbus.stream import Stream
from edgeagent.modbus.tcp import TcpStream
from edgeagent_sdk.errors import DriverError


class Line(Protocol):
    """Frames on a stream: `Rtu` or `Mbap`."""

    stream: Stream

    def exchange(self, unit_id: int, request: bytes, timeout_s: float) -> bytes:
        """As `Rtu.exchange`."""


@dataclass(frozen=True)
class Serial:
    """A serial line: where it is and how it is driven."""

    port: str
    baud: int
    parity: str = "N"
    stop_bits: int = 1

    #: Whether an answer tells which request it is to.
    ordered: ClassVar[bool] = False

    @property
    def silence_s(self) -> float:
        """What slaves need between two frames: 3.5 characters of 11 bits, and 1.75 ms at least.

        Source: MODBUS over Serial Line V1.02, 2.5.1.1.
        """
        return max(1.75e-3, 3.5 * 11 / self.baud)

    @property
    def key(self) -> Hashable:
        """The port itself, whatever name it was given by."""
        return os.path.realpath(self.port)

    @property
    def name(self) -> str:
        """For messages."""
        return self.port

    @property
    def manner(self) -> str:
        """How it is driven, in words."""
        return f"{self.baud} baud 8{self.parity}{self.stop_bits}"

    def line(self) -> Rtu:
        """Open it. Raises DriverError."""
        return Rtu(SerialPort(self.port, self.baud, self.parity, self.stop_bits))


@dataclass(frozen=True)
class Tcp:
    """A device or gateway on TCP; `rtu`: it takes RTU frames as they are, as plain serial servers do."""

    host: str
    port: int
    timeout_s: float
    rtu: bool = False

    #: TCP tells frames apart; what a gateway's line needs, the gateway knows.
    silence_s: ClassVar[float] = 0.0

    @property
    def ordered(self) -> bool:
        """Whether an answer tells which request it is to."""
        return not self.rtu

    @property
    def key(self) -> Hashable:
        """What there is one bus for."""
        return self.host, self.port

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.host}:{self.port}"

    @property
    def manner(self) -> str:
        """How it is driven, in words."""
        return "RTU over TCP" if self.rtu else "Modbus TCP"

    def line(self) -> Rtu | Mbap:
        """Connected at the first exchange."""
        stream = TcpStream(self.host, self.port, self.timeout_s)
        return Rtu(stream) if self.rtu else Mbap(stream)


class Place(Protocol):
    """Where a bus is: `Serial` or `Tcp`, or what a test puts there.

    Attributes:
        key: what there is one bus for.
        name: for messages.
        manner: how it is driven, in words.
        ordered: whether an answer tells which request it is to.
    """

    @property
    def key(self) -> Hashable: ...
    @property
    def name(self) -> str: ...
    @property
    def manner(self) -> str: ...
    @property
    def ordered(self) -> bool: ...

    def line(self) -> Line:
        """The line, open. Raises DriverError."""


class Bus:
    """A line and who is on it. Made by `join`, given back by `leave`.

    The line is opened by the first exchange, and anew by the first after it was lost.
    """

    def __init__(self, key: Hashable, place: Place) -> None:
        self.place, self.users = place, 0
        self._key = key
        self._line: Line | None = None
        self._lock = threading.Lock()
        self._free_s = 0.0

    def open(self) -> None:
        """Open the line now, to see whether it can be. Raises DriverError."""
        with self._lock:
            self._opened()

    def exchange(self, unit_id: int, request: bytes, timeout_s: float, pause_s: float = 0.0) -> bytes:
        """One request and its answer, as `Rtu.exchange`; then the line is left alone for `pause_s`."""
        with self._lock:
            wait_s = self._free_s - time.monotonic()
            if wait_s > 0:
                time.sleep(wait_s)
            try:
                return self._opened().exchange(unit_id, request, timeout_s)
            except DriverError:
                self._hang_up()
                raise
            finally:
                self._free_s = time.monotonic() + pause_s

    def drain(self, silence_s: float) -> None:
        """Read away what still comes, until nothing has for `silence_s`. Raises DriverError."""
        with self._lock:
            self._opened().stream.drain(silence_s)

    def leave(self) -> None:
        """One device fewer; the last one hangs up."""
        with _LOCK:
            self.users -= 1
            if self.users:
                return
            del _BUSES[self._key]
        with self._lock:
            self._hang_up()

    def _opened(self) -> Line:
        if self._line is None:
            self._line = self.place.line()
        return self._line

    def _hang_up(self) -> None:
        if self._line:
            self._line.stream.close()
        self._line = None


_BUSES: dict[Hashable, Bus] = {}
_LOCK = threading.Lock()


def join(place: Place) -> Bus:
    """The bus at a place. Raises DriverError if another device drives it in another way."""
    key = place.key
    with _LOCK:
        bus = _BUSES.setdefault(key, Bus(key, place))
        if bus.place.manner != place.manner:
            raise DriverError(
                f"{place.name}: another device uses it as {bus.place.manner}, this one as {place.manner}",
                "give the devices on one line the same settings",
            )
        bus.users += 1
        return bus
