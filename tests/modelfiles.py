"""Model files, made here: ONNX by the package `onnx`, TFLite as the flatbuffer that it is.

Each is a linear model ``y = W x + b`` over a window (1, window, channels), or one that is wrong in one way.
Source of the TFLite fields and codes: TensorFlow Lite's schema, version 3 (`schema.fbs`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import flatbuffers
import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper, save

WINDOW, CHANNELS, OUTPUTS = 8, 3, 2


class Linear(NamedTuple):
    """Weights of outputs × (window · channels), and a bias for each output."""

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]

    @classmethod
    def made_up(cls) -> Linear:
        """Always the same."""
        generator = np.random.default_rng(7)
        weights = generator.normal(size=(OUTPUTS, WINDOW * CHANNELS)).astype(np.float32)
        return cls(weights, np.array([1.5, -0.5], dtype=np.float32))

    def __call__(self, window: NDArray[Any]) -> NDArray[Any]:
        """What the model should give for a window."""
        outputs: NDArray[Any] = self.weights @ np.asarray(window, dtype=np.float64).ravel() + self.bias
        return outputs


def onnx_linear(path: Path, model: Linear, *, channels: int = CHANNELS, open_batch: bool = False) -> None:
    """The model as ONNX."""
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"], axis=1),
        helper.make_node("Gemm", ["flat", "W", "b"], ["y"], transB=1),
    ]
    weights = {"W": model.weights, "b": model.bias}
    batch = "batch" if open_batch else 1
    _save(path, nodes, [batch, WINDOW, channels], [batch, len(model.bias)], weights)


def onnx_layers(path: Path, sizes: Sequence[int], *, window: int) -> None:
    """A perceptron over (1, window, channels); sizes of its layers, from window · channels to the outputs."""
    generator = np.random.default_rng(7)
    nodes = [helper.make_node("Flatten", ["x"], ["in0"], axis=1)]
    weights: dict[str, NDArray[Any]] = {}
    last = len(sizes) - 2
    for i, (takes, gives) in enumerate(pairwise(sizes)):
        weights[f"W{i}"] = (generator.normal(size=(takes, gives)) / takes**0.5).astype(np.float32)
        weights[f"b{i}"] = np.zeros(gives, dtype=np.float32)
        nodes.append(
            helper.make_node("Gemm", [f"in{i}", f"W{i}", f"b{i}"], ["y" if i == last else f"sum{i}"])
        )
        if i < last:
            nodes.append(helper.make_node("Relu", [f"sum{i}"], [f"in{i + 1}"]))
    _save(path, nodes, [1, window, sizes[0] // window], [1, sizes[-1]], weights)


def onnx_op(path: Path, op: str, *, domain: str = "", dtype: int = TensorProto.FLOAT) -> None:
    """One operator from input to output, of the same shape."""
    shape = [1, WINDOW, CHANNELS]
    _save(path, [helper.make_node(op, ["x"], ["y"], domain=domain)], shape, shape, {}, dtype)


def onnx_hungry(path: Path, floats: int) -> None:
    """One that sums so many zeros, all in memory at once."""
    nodes = [
        helper.make_node("ConstantOfShape", ["size"], ["zeros"]),
        helper.make_node("ReduceSum", ["zeros"], ["nothing"]),
        helper.make_node("ReduceSum", ["x"], ["sum"]),
        helper.make_node("Add", ["sum", "nothing"], ["y"]),
    ]
    size = np.array([1, 1, floats], dtype=np.int64)
    _save(path, nodes, [1, WINDOW, CHANNELS], [1, 1, 1], {"size": size})


def _save(
    path: Path,
    nodes: Sequence[Any],
    takes: Sequence[int | str],
    gives: Sequence[int | str],
    weights: dict[str, NDArray[Any]],
    dtype: int = TensorProto.FLOAT,
) -> None:
    graph = helper.make_graph(
        nodes,
        "model",
        [helper.make_tensor_value_info("x", dtype, takes)],
        [helper.make_tensor_value_info("y", dtype, gives)],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("com.example", 1)]
    save(helper.make_model(graph, opset_imports=opsets, ir_version=8), str(path))


class _Tensor(NamedTuple):
    """A tensor of a TFLite model; `scale` and `zero` if it is quantized."""

    name: str
    shape: Sequence[int]
    type: int
    data: bytes = b""
    scale: float = 0.0
    zero: int = 0


_FLOAT32, _INT32, INT64, _INT8 = 0, 2, 4, 9
_FULLY_CONNECTED, SQRT, NEG, CUSTOM = 9, 75, 59, 32
_FULLY_CONNECTED_OPTIONS = 8


def tflite_linear(path: Path, model: Linear, *, channels: int = CHANNELS) -> None:
    """The model as TFLite: one FULLY_CONNECTED, which flattens its input itself."""
    tensors = [
        _Tensor("x", [1, WINDOW, channels], _FLOAT32),
        _Tensor("W", model.weights.shape, _FLOAT32, model.weights.tobytes()),
        _Tensor("b", model.bias.shape, _FLOAT32, model.bias.tobytes()),
        _Tensor("y", [1, len(model.bias)], _FLOAT32),
    ]
    path.write_bytes(_tflite(tensors, _FULLY_CONNECTED))


def tflite_quantized(path: Path, model: Linear) -> None:
    """The model as TFLite with integers of 8 bits: inputs within ±8, outputs within ±64."""
    factor_in, factor_out = 16 / 255, 128 / 255
    factor = float(np.abs(model.weights).max()) / 127
    weights = np.rint(model.weights / factor).astype(np.int8)
    bias = np.rint(model.bias / (factor * factor_in)).astype(np.int32)
    tensors = [
        _Tensor("x", [1, WINDOW, CHANNELS], _INT8, scale=factor_in),
        _Tensor("W", weights.shape, _INT8, weights.tobytes(), scale=factor),
        _Tensor("b", bias.shape, _INT32, bias.tobytes(), scale=factor * factor_in),
        _Tensor("y", [1, OUTPUTS], _INT8, scale=factor_out),
    ]
    path.write_bytes(_tflite(tensors, _FULLY_CONNECTED))


def tflite_op(path: Path, code: int, *, custom: str = "", dtype: int = _FLOAT32) -> None:
    """One operator from input to output, of the same shape."""
    shape = [1, WINDOW, CHANNELS]
    path.write_bytes(_tflite([_Tensor("x", shape, dtype), _Tensor("y", shape, dtype)], code, custom))


def _tflite(tensors: Sequence[_Tensor], code: int, custom: str = "") -> bytes:
    """A model of one operator, from the first tensor to the last, the others its constants."""
    b = flatbuffers.Builder(1024)
    empty = _table(b, [])
    buffers = [empty] + [_table(b, [_vector(b, each.data)]) if each.data else empty for each in tensors]
    made = [_tensor(b, each, place) for place, each in enumerate(tensors, start=1)]
    last = len(tensors) - 1
    options = _table(b, []) if code == _FULLY_CONNECTED else None
    operator = _table(
        b,
        [
            ("uint32", 0),
            _vector(b, np.arange(last, dtype=np.int32)),
            _vector(b, np.array([last], dtype=np.int32)),
            ("uint8", _FULLY_CONNECTED_OPTIONS if options else 0),
            options,
        ],
    )
    graph = _table(
        b,
        [
            _offsets(b, made),
            _vector(b, np.array([0], dtype=np.int32)),
            _vector(b, np.array([last], dtype=np.int32)),
            _offsets(b, [operator]),
        ],
    )
    name = b.CreateString(custom) if custom else None
    opcode = _table(b, [("int8", code), name, ("int32", 1), ("int32", code)])
    root = _table(
        b,
        [
            ("uint32", 3),
            _offsets(b, [opcode]),
            _offsets(b, [graph]),
            b.CreateString("test"),
            _offsets(b, buffers),
        ],
    )
    b.Finish(root, file_identifier=b"TFL3")
    return bytes(b.Output())


def _tensor(b: Any, tensor: _Tensor, buffer: int) -> int:
    scale = None
    if tensor.scale:
        scales = _vector(b, np.array([tensor.scale], dtype=np.float32))
        scale = _table(b, [None, None, scales, _vector(b, np.array([tensor.zero], dtype=np.int64))])
    shape = _vector(b, np.array(tensor.shape, dtype=np.int32))
    return _table(b, [shape, ("int8", tensor.type), ("uint32", buffer), b.CreateString(tensor.name), scale])


def _vector(b: Any, values: NDArray[Any] | bytes) -> int:
    array = np.frombuffer(values, dtype=np.uint8) if isinstance(values, bytes) else values
    offset: int = b.CreateNumpyVector(array)
    return offset


def _offsets(b: Any, offsets: Sequence[int]) -> int:
    b.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        b.PrependUOffsetTRelative(offset)
    vector: int = b.EndVector()
    return vector


def _table(b: Any, fields: Sequence[int | tuple[str, int] | None]) -> int:
    """A table: an offset, a number with its type, or nothing for each slot."""
    add: dict[str, Callable[[int, int, int], None]] = {
        "int8": b.PrependInt8Slot,
        "uint8": b.PrependUint8Slot,
        "int32": b.PrependInt32Slot,
        "uint32": b.PrependUint32Slot,
    }
    b.StartObject(len(fields))
    for slot, field in enumerate(fields):
        if isinstance(field, tuple):
            add[field[0]](slot, field[1], 0)
        elif field is not None:
            b.PrependUOffsetTRelativeSlot(slot, field, 0)
    table: int = b.EndObject()
    return table
