"""Modbus PDUs as pure functions: requests out, the bodies of answers in. Framing is for `rtu` and `mbap`.

A PDU is ``function, …``, at most 253 bytes. An answer is taken only if it is one to the request: the
same function, and as long as the request makes it.

Source: MODBUS Application Protocol Specification V1.1b3, 4.1 (sizes), 6 (functions), 7 (exceptions).
"""

from __future__ import annotations

import struct
from typing import Final

READ_COILS: Final = 1
READ_DISCRETE: Final = 2
READ_HOLDING: Final = 3
READ_INPUT: Final = 4
WRITE_COIL: Final = 5
WRITE_ONE: Final = 6
WRITE_MANY: Final = 16
DEVICE_ID: Final = 43

#: Most that one read may ask for, by function.
READ_MAX: Final = {READ_COILS: 2000, READ_DISCRETE: 2000, READ_HOLDING: 125, READ_INPUT: 125}

#: Function and code: the shortest answer.
EXCEPTION_BYTES: Final = 2

PDU_MAX_BYTES: Final = 253

_COIL_ON: Final = 0xFF00
_BITS: Final = (READ_COILS, READ_DISCRETE)
_MEI_DEVICE_ID: Final = 14
_ID_HEAD: Final = 7  # function, MEI, code, conformity, more follows, next object, count

ILLEGAL_FUNCTION: Final = 1
ILLEGAL_ADDRESS: Final = 2
ILLEGAL_VALUE: Final = 3
SLOW: Final = 5
BUSY: Final = 6
NO_PATH: Final = 10
NO_TARGET: Final = 11

EXCEPTIONS: Final = {
    ILLEGAL_FUNCTION: "illegal function",
    ILLEGAL_ADDRESS: "illegal data address",
    ILLEGAL_VALUE: "illegal data value",
    4: "server device failure",
    SLOW: "acknowledge: it takes long",
    BUSY: "server device busy",
    8: "memory parity error",
    NO_PATH: "the gateway has no path to the device",
    NO_TARGET: "the device behind the gateway does not answer",
}


class FrameError(Exception):
    """An answer that cannot be the one to the request: damaged, cut off, or somebody else's."""


class ExceptionAnswer(Exception):
    """The device refused, in a sound answer. `code` is the exception code."""

    def __init__(self, code: int) -> None:
        super().__init__(EXCEPTIONS.get(code, f"exception {code}"))
        self.code = code


def read(function: int, address: int, count: int) -> bytes:
    """Ask for `count` registers or bits, 1 to `READ_MAX`."""
    return struct.pack(">BHH", function, address, count)


def write_coil(address: int, on: bool) -> bytes:
    """Set one coil."""
    return struct.pack(">BHH", WRITE_COIL, address, _COIL_ON if on else 0)


def write_one(address: int, data: bytes) -> bytes:
    """Set one register to two bytes."""
    return struct.pack(">BH", WRITE_ONE, address) + data


def write_many(address: int, data: bytes) -> bytes:
    """Set registers in one go. `data`: their bytes, two for each, 1 to 123 registers."""
    return struct.pack(">BHHB", WRITE_MANY, address, len(data) // 2, len(data)) + data


def device_id(first: int = 0) -> bytes:
    """Ask for the basic identification objects from number `first` on."""
    return bytes([DEVICE_ID, _MEI_DEVICE_ID, 1, first])


def answer_length(request: bytes, head: bytes) -> int:
    """How many bytes the answer to `request` has, as far as its first bytes tell.

    More than `head` has means: read on, and ask again. Raises FrameError if it is no answer to it.
    """
    function = request[0]
    if not head or head[0] == function | 0x80:
        return EXCEPTION_BYTES
    if head[0] != function:
        raise FrameError(f"an answer to function {head[0]}, not {function}")
    if function in READ_MAX:
        return 2 + _data_bytes(request)
    return 5 if function in (WRITE_COIL, WRITE_ONE, WRITE_MANY) else _device_id_length(head)


def alike(one: bytes, other: bytes) -> bool:
    """Whether an answer to the one of two requests could pass for one to the other."""
    if one[0] in READ_MAX and one[0] == other[0]:
        return _data_bytes(one) == _data_bytes(other)
    return one == other


def _data_bytes(request: bytes) -> int:
    count = int.from_bytes(request[3:5], "big")
    return (count + 7) // 8 if request[0] in _BITS else 2 * count


def _device_id_length(head: bytes) -> int:
    if len(head) < _ID_HEAD:
        return _ID_HEAD
    at = _ID_HEAD
    for _ in range(head[_ID_HEAD - 1]):
        if at + 2 > len(head):
            return at + 2
        at += 2 + head[at + 1]
        if at > PDU_MAX_BYTES:
            raise FrameError("an answer longer than a frame can be")
    return at


def check(request: bytes, answer: bytes) -> bytes:
    """What follows the function code of a whole answer to `request`.

    Raises:
        FrameError: not the answer to this request.
        ExceptionAnswer: a sound refusal.
    """
    if len(answer) < EXCEPTION_BYTES or len(answer) != answer_length(request, answer):
        raise FrameError(f"{len(answer)} bytes are not a whole answer")
    function, body = request[0], answer[1:]
    if answer[0] & 0x80:
        raise ExceptionAnswer(body[0])
    if function in READ_MAX and body[0] != len(body) - 1:
        raise FrameError(f"{body[0]} bytes announced, {len(body) - 1} sent")
    if function in (WRITE_COIL, WRITE_ONE, WRITE_MANY) and body != request[1:5]:
        raise FrameError("an answer to another write")
    if function == DEVICE_ID and body[0] != _MEI_DEVICE_ID:
        raise FrameError("no device identification")
    return body


def data(body: bytes) -> bytes:
    """The registers' (or bits') bytes out of the answer to a read."""
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
