"""Modbus RTU frames as pure functions: requests out, the data of answers in.

A frame is ``address, function, …, CRC low, CRC high``, at most 256 bytes. An answer is taken only if
its length is the one that the request asks for: gaps between bytes mean nothing on a USB adapter.

Source: MODBUS Application Protocol V1.1b3 (functions, exceptions); MODBUS over Serial Line V1.02,
2.5.1.2 and 6.2.2 (framing, CRC: polynomial 0xA001 reflected, from 0xFFFF).
"""

from __future__ import annotations

import struct
from typing import Final

READ_HOLDING: Final = 3
READ_INPUT: Final = 4
WRITE_ONE: Final = 6
WRITE_MANY: Final = 16
DEVICE_ID: Final = 43

#: Address, function, code, CRC: the shortest answer.
EXCEPTION_BYTES: Final = 5

_MEI_DEVICE_ID: Final = 14
_ID_HEAD: Final = 8  # address, function, MEI, code, conformity, more follows, next object, count

EXCEPTIONS: Final = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "server device failure",
    5: "acknowledge: it takes long",
    6: "server device busy",
    8: "memory parity error",
}


class FrameError(Exception):
    """An answer that cannot be the one to the request: damaged, cut off, or somebody else's."""


class ExceptionAnswer(Exception):
    """The slave refused, in a sound frame. `code` is the exception code."""

    def __init__(self, code: int) -> None:
        super().__init__(EXCEPTIONS.get(code, f"exception {code}"))
        self.code = code


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


def frame(slave: int, pdu: bytes) -> bytes:
    """Address and CRC put around a PDU."""
    body = bytes([slave]) + pdu
    return body + crc(body)


def read_request(slave: int, function: int, address: int, count: int) -> bytes:
    """Ask for `count` registers, 1 to 125."""
    return frame(slave, struct.pack(">BHH", function, address, count))


def write_one_request(slave: int, address: int, value: int) -> bytes:
    """Set one register."""
    return frame(slave, struct.pack(">BHH", WRITE_ONE, address, value))


def write_many_request(slave: int, address: int, data: bytes) -> bytes:
    """Set registers in one go. `data`: their bytes, two for each, 1 to 123 registers."""
    head = struct.pack(">BHHB", WRITE_MANY, address, len(data) // 2, len(data))
    return frame(slave, head + data)


def device_id_request(slave: int, first: int = 0) -> bytes:
    """Ask for the basic identification objects from number `first` on."""
    return frame(slave, bytes([DEVICE_ID, _MEI_DEVICE_ID, 1, first]))


def answer_length(request: bytes, head: bytes) -> int:
    """How many bytes the answer to `request` has, as far as its first bytes tell.

    More than `head` has means: read on, and ask again. Raises FrameError if it is no answer to it.
    """
    if len(head) < 2:
        return EXCEPTION_BYTES
    if head[0] != request[0]:
        raise FrameError(f"an answer of slave {head[0]}, not {request[0]}")
    function = request[1]
    if head[1] == function | 0x80:
        return EXCEPTION_BYTES
    if head[1] != function:
        raise FrameError(f"an answer to function {head[1]}, not {function}")
    if function in (READ_HOLDING, READ_INPUT):
        return 5 + 2 * int.from_bytes(request[4:6], "big")
    return 8 if function in (WRITE_ONE, WRITE_MANY) else _device_id_length(head)


def _device_id_length(head: bytes) -> int:
    if len(head) < _ID_HEAD:
        return _ID_HEAD + 2
    at = _ID_HEAD
    for _ in range(head[_ID_HEAD - 1]):
        if at + 2 > len(head):
            return at + 4
        at += 2 + head[at + 1]
        if at + 2 > 256:
            raise FrameError("an answer longer than a frame can be")
    return at + 2


def check_answer(request: bytes, answer: bytes) -> bytes:
    """What lies between the function code and the CRC of a whole answer to `request`.

    Raises:
        FrameError: damaged, or not the answer to this request.
        ExceptionAnswer: a sound refusal.
    """
    if len(answer) < EXCEPTION_BYTES or len(answer) != answer_length(request, answer):
        raise FrameError(f"{len(answer)} bytes are not a whole answer")
    if crc(answer[:-2]) != answer[-2:]:
        raise FrameError("wrong CRC")
    body = answer[2:-2]
    if answer[1] & 0x80:
        raise ExceptionAnswer(body[0])
    function = request[1]
    if function in (READ_HOLDING, READ_INPUT) and body[0] != len(body) - 1:
        raise FrameError(f"{body[0]} bytes announced, {len(body) - 1} sent")
    if function in (WRITE_ONE, WRITE_MANY) and body != request[2:6]:
        raise FrameError("an answer to another write")
    if function == DEVICE_ID and body[0] != _MEI_DEVICE_ID:
        raise FrameError("no device identification")
    return body


def registers(body: bytes) -> bytes:
    """The registers' bytes out of the answer to a read."""
    return body[1:]


def device_id_objects(body: bytes) -> tuple[dict[int, bytes], int | None]:
    """Object number → value out of one answer, and the object to ask for next, if more follow."""
    more, following, count = body[3], body[4], body[5]
    objects, at = {}, 6
    for _ in range(count):
        size = body[at + 1]
        objects[body[at]] = body[at + 2 : at + 2 + size]
        at += 2 + size
    return objects, following if more else None
