"""The node's I2C buses, worked by the rig through QEMU's test protocol while the node sleeps.

Two kinds of master, as the boards have them; a transfer is one write with an optional read behind a
repeated start, and every byte must be acknowledged.
"""

from __future__ import annotations

import abc
from typing import Final

from edgeagent_hil.rig.qtest import Qtest
from edgeagent_sdk.errors import EdgeError

_READ: Final = 1


class I2cMaster(abc.ABC):
    """A bus master at `base`."""

    def __init__(self, qtest: Qtest, base: int) -> None:
        self._qtest, self._base = qtest, base

    def transfer(self, address: int, sent: bytes, wanted: int = 0) -> bytes:
        """Write bytes to the 7-bit `address`, then read so many. Raises EdgeError if nobody acknowledges."""
        try:
            self._start(address << 1)
            for byte in sent:
                self._send(byte)
            if not wanted:
                return b""
            self._start(address << 1 | _READ)
            return bytes(self._receive(last=n + 1 == wanted) for n in range(wanted))
        finally:
            self._stop()

    @abc.abstractmethod
    def _start(self, address: int) -> None: ...

    @abc.abstractmethod
    def _send(self, byte: int) -> None: ...

    @abc.abstractmethod
    def _receive(self, last: bool) -> int: ...

    @abc.abstractmethod
    def _stop(self) -> None: ...


class AspeedI2c(I2cMaster):
    """One bus of an ASPEED controller, byte by byte.

    Source: ASPEED AST2600 data sheet, I2C controller, old register definition.
    """

    _ENABLED, _STATUS, _COMMAND, _BYTE = 0x0C, 0x10, 0x14, 0x20
    _START, _TX, _RX, _NACK, _STOP = 1 << 0, 1 << 1, 1 << 3, 1 << 4, 1 << 5
    _ACKNOWLEDGED, _ALL_FLAGS = 1 << 0, 0x7F

    def _start(self, address: int) -> None:
        # QEMU shows only those flags that are enabled as interrupts.
        self._qtest.write32(self._base + self._ENABLED, self._ALL_FLAGS)
        self._put(address, self._START | self._TX)

    def _send(self, byte: int) -> None:
        self._put(byte, self._TX)

    def _receive(self, last: bool) -> int:
        self._command(self._RX | (self._NACK if last else 0))
        return self._qtest.read32(self._base + self._BYTE) >> 8 & 0xFF

    def _stop(self) -> None:
        self._command(self._STOP)
        self._qtest.write32(self._base + self._STATUS, self._ALL_FLAGS)

    def _put(self, byte: int, command: int) -> None:
        self._qtest.write32(self._base + self._BYTE, byte)
        self._command(command)
        if not self._qtest.read32(self._base + self._STATUS) & self._ACKNOWLEDGED:
            raise EdgeError(f"I2C at {self._base:#x}: 0x{byte:02x} was not acknowledged")

    def _command(self, bits: int) -> None:
        self._qtest.write32(self._base + self._STATUS, self._ALL_FLAGS)
        self._qtest.write32(self._base + self._COMMAND, bits)


class SbconI2c(I2cMaster):
    """Arm's two-wire port, moved bit by bit.

    Source: Arm MPS2 Application Note AN385, two-wire serial interface.
    """

    _SET, _CLEAR = 0x0, 0x4
    _SCL, _SDA = 1 << 0, 1 << 1

    def _start(self, address: int) -> None:
        self._raise(self._SDA)
        self._raise(self._SCL)
        self._lower(self._SDA)
        self._lower(self._SCL)
        self._send(address)

    def _send(self, byte: int) -> None:
        for n in reversed(range(8)):
            self._bit(byte >> n & 1)
        if self._bit(1):
            raise EdgeError(f"I2C at {self._base:#x}: 0x{byte:02x} was not acknowledged")

    def _receive(self, last: bool) -> int:
        byte = 0
        for _ in range(8):
            byte = byte << 1 | self._bit(1)
        self._bit(int(last))
        return byte

    def _stop(self) -> None:
        self._lower(self._SDA)
        self._raise(self._SCL)
        self._raise(self._SDA)

    def _bit(self, level: int) -> int:
        """Clock one bit out, released for a 1, and look at the line."""
        (self._raise if level else self._lower)(self._SDA)
        self._raise(self._SCL)
        seen = self._qtest.read32(self._base) >> 1 & 1
        self._lower(self._SCL)
        return seen

    def _raise(self, line: int) -> None:
        self._qtest.write32(self._base + self._SET, line)

    def _lower(self, line: int) -> None:
        self._qtest.write32(self._base + self._CLEAR, line)
