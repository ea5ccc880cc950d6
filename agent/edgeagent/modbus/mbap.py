"""MBAP framing, Modbus on TCP: ``transaction, 0, length, unit, PDU``. A late answer is known by its number.

Source: MODBUS Messaging on TCP/IP Implementation Guide V1.0b, 3.1.3.
"""

from __future__ import annotations

import struct
import time
from typing import Final

from edgeagent.modbus.pdu import PDU_MAX_BYTES, FrameError
from edgeagent.modbus.stream import Stream

_HEAD: Final = struct.Struct(">HHHB")


class Mbap:
    """MBAP frames on a stream of bytes. Each answer bears the number of its request."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self._number = 0
        self._ahead = b""

    def exchange(self, unit_id: int, request: bytes, timeout_s: float) -> bytes:
        """Send a request PDU; the PDU that came back. Raises as `Rtu.exchange`.

        After an error the connection is made anew: nobody can tell where the next frame begins, and a
        peer that lost its power does not say so.
        """
        deadline_s = time.monotonic() + timeout_s
        self._number = number = self._number + 1 & 0xFFFF
        self._ahead = b""
        try:
            self.stream.write(_HEAD.pack(number, 0, len(request) + 1, unit_id) + request)
            while True:
                answered, unit, answer = self._receive(deadline_s)
                if answered == number:
                    break
            if unit != unit_id:
                raise FrameError(f"an answer of unit {unit}, not {unit_id}")
        except (FrameError, TimeoutError):
            self.stream.close()
            raise
        return answer

    def _receive(self, deadline_s: float) -> tuple[int, int, bytes]:
        number, protocol, length, unit = _HEAD.unpack(self._read(_HEAD.size, deadline_s))
        if protocol != 0 or not 2 < length <= PDU_MAX_BYTES + 1:
            raise FrameError(f"no Modbus: protocol {protocol}, length {length}")
        return number, unit, self._read(length - 1, deadline_s)

    def _read(self, count: int, deadline_s: float) -> bytes:
        missing = count - len(self._ahead)
        if missing > 0:
            part = self.stream.read(missing, deadline_s)
            self._ahead += part
            if len(part) < missing:
                raise TimeoutError(f"cut off after {len(self._ahead)} bytes" if self._ahead else "silence")
        data, self._ahead = self._ahead[:count], self._ahead[count:]
        return data
