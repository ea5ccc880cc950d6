"""A real model, made here: a small convolutional network with random weights, as a camera would run it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final

import numpy as np

#: Shape of the image: batch, channels, height, width.
IMAGE: Final = (1, 3, 224, 224)

#: Channels of the layers, each of which halves the image; then a mean, and ten classes.
_CHANNELS: Final = (3, 32, 64, 128, 128)
_CLASSES: Final = 10

_OPSET: Final = 13


def image(seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    """A picture of noise."""
    return np.random.default_rng(seed).random(IMAGE, np.float32)


def onnx_bytes(seed: int = 0) -> bytes:
    """The model as an ONNX file: input ``image``, output ``scores``. Needs the package `onnx`."""
    from onnx import TensorProto, checker, helper, numpy_helper

    random = np.random.default_rng(seed)
    nodes, constants, last = [], [], "image"

    def constant(name: str, *shape: int) -> str:
        spread = np.prod(shape[1:]) ** -0.5 if len(shape) == 4 else shape[0] ** -0.5
        weights = random.normal(0.0, spread, shape).astype(np.float32)
        constants.append(numpy_helper.from_array(weights, name))
        return name

    for layer, (inner, outer) in enumerate(pairwise(_CHANNELS)):
        for step, (channels, stride) in enumerate(((inner, 2), (outer, 1))):
            name = f"{layer}.{step}"
            weights = constant(f"w{name}", outer, channels, 3, 3)
            nodes.append(
                helper.make_node("Conv", [last, weights], [f"c{name}"], pads=[1] * 4, strides=[stride] * 2)
            )
            nodes.append(helper.make_node("Relu", [f"c{name}"], [f"r{name}"]))
            last = f"r{name}"
    nodes.append(helper.make_node("GlobalAveragePool", [last], ["mean"]))
    nodes.append(helper.make_node("Flatten", ["mean"], ["flat"]))
    nodes.append(
        helper.make_node("MatMul", ["flat", constant("classes", _CHANNELS[-1], _CLASSES)], ["scores"])
    )
    floats = TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "camera",
        [helper.make_tensor_value_info("image", floats, IMAGE)],
        [helper.make_tensor_value_info("scores", floats, (1, _CLASSES))],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=7)
    checker.check_model(model)
    file: bytes = model.SerializeToString()
    return file
