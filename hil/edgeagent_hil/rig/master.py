"""A Modbus RTU master that sends any bytes at all, so that a test can send wrong ones.

Source: MODBUS over Serial Line V1.02 (frames), MODBUS Application Protocol V1.1b3 (lengths of answers).
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import serial
from pymodbus.framer import FramerRTU

from edgeagent_sdk.errors import EdgeError

BAUD: Final = 115_200

READ_HOLDING, READ_INPUT, WRITE_ONE, WRITE_MANY, DEVICE_IDENTIFICATION = 3, 4, 6, 16, 43
_EXCEPTION: Final = 0x80

_TRY_S, _QUIET_S = 0.2, 0.05


def crc(data: bytes) -> bytes:
    """The two bytes that end a frame, in the order in which they are sent."""
    return FramerRTU.compute_CRC(data).to_bytes(2, "big")


def frame(slave: int, pdu: bytes) -> bytes:
    """A whole request or answer."""
    head = bytes([slave]) + pdu
    return head + crc(head)


class Master:
    """One serial port. Raises EdgeError if it cannot be opened."""

    def __init__(self, port: Path, slave: int = 1) -> None:
        self.slave = slave
        self._port = port
        self._serial = self._open()

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._serial.write(data)

    def receive(self, timeout_s: float = 1.0) -> bytes:
        """The next answer, by its length; what came of it, if the rest stays away for `timeout_s`."""
        heard, deadline = b"", time.monotonic() + timeout_s
        while (missing := _missing(heard)) and (rest_s := deadline - time.monotonic()) > 0:
            self._serial.timeout = rest_s
            heard += self._serial.read(missing)
        return heard

    def ask(self, pdu: bytes, timeout_s: float = 1.0) -> bytes:
        """The PDU that answers a PDU; empty if none comes, or a damaged one."""
        self._serial.reset_input_buffer()
        self.send(frame(self.slave, pdu))
        answer = self.receive(timeout_s)
        whole = len(answer) > 4 and answer[0] == self.slave and crc(answer[:-2]) == answer[-2:]
        return answer[1:-2] if whole else b""

    def drain(self, quiet_s: float) -> bytes:
        """Everything that comes until the line is quiet for so long."""
        heard = b""
        self._serial.timeout = quiet_s
        while more := self._serial.read(4096):
            heard += more
        return heard

    def reopen(self) -> None:
        """Open the port again, after it was gone. Raises EdgeError."""
        self._serial.close()
        self._serial = self._open()

    def close(self) -> None:
        """Close the port."""
        self._serial.close()

    def _open(self) -> serial.Serial:
        try:
            return serial.Serial(str(self._port), BAUD, timeout=0)
        except serial.SerialException as error:
            raise EdgeError(f"{self._port}: {error}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def wait_for_answer(port: Path, slave: int, timeout_s: float, alive: Callable[[], bool]) -> None:
    """Return once a node answers. Raises EdgeError if none does, or it is no longer `alive`."""
    identity = struct.pack(">BHH", READ_INPUT, 0, 1)
    deadline = time.monotonic() + timeout_s
    while True:
        if not alive():
            raise EdgeError(f"{port}: the node ended before it answered")
        try:
            with Master(port, slave) as master:
                if master.ask(identity, _TRY_S):
                    master.drain(_QUIET_S)  # answers to the tries before it was ready
                    return
        except EdgeError:
            pass  # a port that comes a moment later
        if time.monotonic() > deadline:
            raise EdgeError(f"{port}: slave {slave} does not answer within {timeout_s:g} s")
        time.sleep(0.02)


def _missing(heard: bytes) -> int:
    """How many bytes of an answer are still to come, as far as is known from what was heard."""
    if len(heard) < 5:
        return 5 - len(heard)  # the shortest: an exception
    function = heard[1]
    if function & _EXCEPTION:
        return 0
    if function in (READ_HOLDING, READ_INPUT):
        return 5 + heard[2] - len(heard)
    if function in (WRITE_ONE, WRITE_MANY):
        return 8 - len(heard)
    if function == DEVICE_IDENTIFICATION:
        return _missing_of_identification(heard)
    return 0


def _missing_of_identification(heard: bytes) -> int:
    """The head is 8 bytes, with the number of objects last; an object is its id, its length, its text."""
    if len(heard) < 8:
        return 8 - len(heard)
    end = 8
    for _ in range(heard[7]):
        if len(heard) < end + 2:
            return end + 2 - len(heard)
        end += 2 + heard[end + 1]
    return end + 2 - len(heard)
