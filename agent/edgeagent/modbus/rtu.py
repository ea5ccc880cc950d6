"""RTU framing: ``address, PDU, CRC low, CRC high``, over a serial port or raw over TCP.

A frame's end is told by its length, never by a gap: gaps between bytes mean nothing on a USB adapter.

Source: MODBUS over Serial Line V1.02, 2.5.1.2 and 6.2.2 (framing, CRC: polynomial 0xA001 reflected,
from 0xFFFF).
"""

from __future__ import annotations

import time
from typing import Final

from edgeagent.modbus import pdu
from edgeagent.modbus.pdu import FrameError
from edgeagent.modbus.stream import Stream

#: Longer than what holds back the end of an answer: the 16 ms latency timer of FTDI's adapters.
_SILENCE_S = 0.02

#: Address in front, CRC behind.
_AROUND_BYTES = 3


def _crc_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
        table.append(value)
    return tuple(table)


_TABLE: Final = _crc_table()


def crc(data: bytes) -> bytes:
    """The two bytes that end a frame."""
    value = 0xFFFF
    for byte in data:
        value = value >> 8 ^ _TABLE[(value ^ byte) & 0xFF]
    return value.to_bytes(2, "little")


def frame(unit_id: int, request: bytes) -> bytes:
    """Address and CRC put around a PDU."""
    body = bytes([unit_id]) + request
    return body + crc(body)


def answer_length(unit_id: int, request: bytes, head: bytes) -> int:
    """How long the frame that answers a request PDU is, as `pdu.answer_length` tells it."""
    if head and head[0] != unit_id:
        raise FrameError(f"an answer of unit {head[0]}, not {unit_id}")
    return pdu.answer_length(request, head[1:]) + _AROUND_BYTES


def unwrap(answer: bytes) -> bytes:
    """The PDU of a whole frame. Raises FrameError if it is damaged."""
    if crc(answer[:-2]) != answer[-2:]:
        raise FrameError("wrong CRC")
    return answer[1:-2]


class Rtu:
    """RTU frames on a stream of bytes. No answer tells which request it is to."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream

    def exchange(self, unit_id: int, request: bytes, timeout_s: float) -> bytes:
        """Send a request PDU; the PDU that came back.

        Raises:
            TimeoutError: nothing came, or not all of it.
            FrameError: something else came; the line has fallen silent since.
            DriverError: the stream is gone.
        """
        deadline_s = time.monotonic() + timeout_s
        self.stream.write(frame(unit_id, request))
        try:
            return unwrap(self._receive(unit_id, request, deadline_s))
        except (FrameError, TimeoutError):
            self.stream.drain(_SILENCE_S)
            raise

    def _receive(self, unit_id: int, request: bytes, deadline_s: float) -> bytes:
        answer = b""
        while (missing := answer_length(unit_id, request, answer) - len(answer)) > 0:
            part = self.stream.read(missing, deadline_s)
            answer += part
            if len(part) < missing:
                raise TimeoutError(f"cut off after {len(answer)} bytes" if answer else "silence")
        return answer
