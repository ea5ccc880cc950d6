"""The ONNX files that we write: taken by the reference checker, and the same numbers as numpy's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeagent.drivers.model.runtimes import load_file
from edgeagent.models.export import forecast_onnx
from edgeagent.models.forecast import Served
from edgeagent.models.forecaster import Forecaster, Shape


@given(
    st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(2, 200), st.integers(1, 40), st.floats(-6, 6)
)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_onnxruntime_and_numpy_agree(
    seed: int, channels: int, lags: int, horizon: int, exponent: float
) -> None:
    """Within 1e-5 of the size of the values: float32 has 24 bits."""
    rng = np.random.default_rng(seed)
    forecaster = Forecaster(Shape(channels, lags, horizon, every=10))
    forecaster.weights = rng.normal(size=(channels, lags, horizon)) / lags
    window = 10.0**exponent * (rng.normal(size=(channels, lags)) + rng.normal())
    served = Served()
    served.renew(forecaster.weights, np.zeros((channels, horizon)))
    difference = np.abs(served(window) - forecaster.forecast(window))
    assert difference.max() <= 1e-5 * np.abs(window).max()


def test_the_file_is_what_onnx_says_it_must_be() -> None:
    content = forecast_onnx(np.ones((3, 200, 7)), np.full((3, 7), np.inf))
    model = onnx.load_from_string(content)
    onnx.checker.check_model(model, full_check=True)
    [given_] = model.graph.input
    assert [dim.dim_value for dim in given_.type.tensor_type.shape.dim] == [1, 3, 200]
    assert [output.name for output in model.graph.output] == ["forecast", "low", "high"]


def test_the_driver_takes_the_file_like_any_other(tmp_path: Path) -> None:
    weights, margin = np.zeros((2, 4, 3)), np.array([[1.0, 2.0, 3.0], [0.5, 0.5, 0.5]])
    (tmp_path / "own.onnx").write_bytes(forecast_onnx(weights, margin))
    model = load_file(str(tmp_path / "own.onnx"))
    described = model.describe()
    assert [tensor.shape for tensor in described.inputs] == [(1, 2, 4)]
    window = np.array([[[1, 2, 3, 40], [5, 6, 7, 80]]], np.float32)
    forecast, low, high = model.run([window])
    np.testing.assert_allclose(forecast[0], [[40] * 3, [80] * 3])
    np.testing.assert_allclose(low[0], np.array([[39, 38, 37], [79.5, 79.5, 79.5]]))
    np.testing.assert_allclose(high[0], np.array([[41, 42, 43], [80.5, 80.5, 80.5]]))
