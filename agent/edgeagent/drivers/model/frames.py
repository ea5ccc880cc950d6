"""What goes between the agent and a model's process: frames of a kind, a number and a body.

Numbers go as doubles, so that the agent needs no numpy; words as JSON.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Final, NamedTuple

HEADER: Final = struct.Struct("<IBI")
"""Bytes of the body, kind, number of the request."""

#: A damaged process may send anything: more than this is no frame.
BODY_MAX: Final = 1 << 24

#: So many numbers a window has at most.
VALUES_MAX: Final = BODY_MAX // 8


class Kind(IntEnum):
    """What a frame says; to the process first, then from it."""

    LOAD = 1  # JSON: what to load, and what is wanted of it
    RUN = 2  # doubles: the window, sample by sample
    LOADED = 3  # JSON: what it is
    REFUSED = 4  # JSON: reason and remedy; the process ends
    VALUES = 5  # doubles: one for each output
    FAILED = 6  # text: this inference failed
    NOT_YET = 7  # text: why there is no output for now
    NEWS = 8  # JSON: what the model has found; before the values


class Frame(NamedTuple):
    """One frame; `number` is that of the request which it belongs to."""

    kind: int
    number: int
    body: bytes


class NoFrame(ValueError):
    """Bytes that are no frame."""


def encode(kind: Kind, number: int, body: bytes) -> bytes:
    """A frame as bytes."""
    return HEADER.pack(len(body), kind, number) + body


def take(buffer: bytearray) -> Frame | None:
    """Take the first frame out of `buffer`; None if it is not whole yet. Raises NoFrame."""
    if len(buffer) < HEADER.size:
        return None
    length, kind, number = HEADER.unpack_from(buffer)
    if length > BODY_MAX:
        raise NoFrame(f"a frame of {length} bytes")
    end = HEADER.size + length
    if len(buffer) < end:
        return None
    body = bytes(buffer[HEADER.size : end])
    del buffer[:end]
    return Frame(kind, number, body)
