"""A fitted forecaster as an ONNX file, with the intervals that it had at the time."""

from __future__ import annotations

import numpy as np

from edgeagent.models.moments import Array
from edgeagent.models.onnxfile import Node, Tensor, model


def forecast_onnx(weights: Array, margin: Array) -> bytes:
    """The file: from ``window`` to ``forecast``, ``low`` and ``high``.

    Args:
        weights: channels × lags × horizon; the input is 1 × channels × lags, the newest value last.
        margin: half the width of the interval; channels × horizon; the outputs are 1 × channels × horizon.
    """
    channels, lags, horizon = weights.shape
    wide = np.minimum(margin, np.finfo(np.float32).max).astype(np.float32)
    constants: dict[str, Tensor] = {
        "weights": weights.astype(np.float32),
        "margin": wide,
        "newest": np.array([lags - 1], np.int64),
        "rows": np.array([1, channels, 1, lags], np.int64),
        "table": np.array([1, channels, horizon], np.int64),
    }
    nodes = [
        Node("Gather", ["window", "newest"], "last", {"axis": 2}),
        Node("Sub", ["window", "last"], "path"),
        Node("Reshape", ["path", "rows"], "paths"),
        Node("MatMul", ["paths", "weights"], "steps"),
        Node("Reshape", ["steps", "table"], "change"),
        Node("Add", ["last", "change"], "forecast"),
        Node("Sub", ["forecast", "margin"], "low"),
        Node("Add", ["forecast", "margin"], "high"),
    ]
    outputs = dict.fromkeys(("forecast", "low", "high"), (1, channels, horizon))
    return model(nodes, constants, {"window": (1, channels, lags)}, outputs)
