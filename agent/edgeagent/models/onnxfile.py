"""ONNX files, as far as a few matrices need them.

The `onnx` package does this and all else, for 33 MB on the disk and 13 MB resident; a node has no use for the
rest. Field numbers are those of onnx.proto3 (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3), the
encoding is protobuf's (https://protobuf.dev/programming-guides/encoding/).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Old enough for every onnxruntime since 1.8 (2021); see docs/Versioning.md of ONNX.
_IR_VERSION: Final = 7
_OPSET: Final = 13

_FLOAT: Final = 1
_INT64: Final = 7
_AXIS_IS_INT: Final = 2

Tensor = NDArray[np.float32] | NDArray[np.int64]


class Node(NamedTuple):
    """One operation: names of tensors in, of the one out, and integer attributes."""

    op: str
    inputs: Sequence[str]
    output: str
    attributes: Mapping[str, int] = {}


def model(
    nodes: Iterable[Node],
    constants: Mapping[str, Tensor],
    inputs: Mapping[str, Sequence[int]],
    outputs: Mapping[str, Sequence[int]],
) -> bytes:
    """The bytes of an ONNX file; inputs and outputs are float32, with their shapes."""
    graph = b"".join(
        [
            *(_field(1, _node(node)) for node in nodes),
            _field(2, b"graph"),
            *(_field(5, _tensor(name, value)) for name, value in constants.items()),
            *(_field(11, _value(name, shape)) for name, shape in inputs.items()),
            *(_field(12, _value(name, shape)) for name, shape in outputs.items()),
        ]
    )
    opset = _field(2, _OPSET)
    return b"".join([_field(1, _IR_VERSION), _field(2, b"edgeagent"), _field(7, graph), _field(8, opset)])


def _node(node: Node) -> bytes:
    attributes = (
        _field(1, name.encode()) + _field(3, value) + _field(20, _AXIS_IS_INT)
        for name, value in node.attributes.items()
    )
    return b"".join(
        [
            *(_field(1, name.encode()) for name in node.inputs),
            _field(2, node.output.encode()),
            _field(4, node.op.encode()),
            *(_field(5, attribute) for attribute in attributes),
        ]
    )


def _tensor(name: str, value: NDArray[Any]) -> bytes:
    kind = _INT64 if value.dtype == np.int64 else _FLOAT
    dims = b"".join(_field(1, size) for size in value.shape)
    raw = value.astype("<i8" if kind == _INT64 else "<f4").tobytes()
    return dims + _field(2, kind) + _field(8, name.encode()) + _field(9, raw)


def _value(name: str, shape: Sequence[int]) -> bytes:
    dims = b"".join(_field(1, _field(1, size)) for size in shape)
    kind = _field(1, _FLOAT) + _field(2, dims)
    return _field(1, name.encode()) + _field(2, _field(1, kind))


def _field(number: int, value: int | bytes) -> bytes:
    """A field: a varint for an integer, else length and bytes."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)
