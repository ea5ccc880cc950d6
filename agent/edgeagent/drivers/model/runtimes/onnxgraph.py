"""Which operators an ONNX file has, read from the file itself: onnxruntime does not tell.

Source: the Protocol Buffers encoding guide, and onnx.proto3: ModelProto.graph is field 7, GraphProto.node 1,
NodeProto.op_type 4.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

_GRAPH, _NODE, _OP_TYPE = 7, 1, 4

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_FIXED_BYTES: Final = {_FIXED64: 8, _FIXED32: 4}


def operators(content: bytes) -> list[str]:
    """The operators of the main graph, in its order; what is no ONNX has none."""
    try:
        return [
            bytes(name).decode("utf-8", "replace")
            for graph in _fields(memoryview(content), _GRAPH)
            for node in _fields(graph, _NODE)
            for name in _fields(node, _OP_TYPE)
        ]
    except (IndexError, ValueError):
        return []


def _fields(message: memoryview, wanted: int) -> Iterator[memoryview]:
    """The contents of a message's fields of one number, if they have a length."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == _LENGTH:
            length, at = _varint(message, at)
            if number == wanted:
                yield message[at : at + length]
            at += length
        elif kind == _VARINT:
            _, at = _varint(message, at)
        elif kind in _FIXED_BYTES:
            at += _FIXED_BYTES[kind]
        else:
            raise ValueError(f"wire type {kind}")


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at
