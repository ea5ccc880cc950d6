"""The operators of an ONNX file, beside what the package `onnx` reads."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from edgeagent.drivers.model.runtimes.onnxgraph import operators
from tests.modelfiles import Linear, onnx_layers, onnx_linear


def test_operators(tmp_path: Path) -> None:
    onnx_linear(tmp_path / "linear.onnx", Linear.made_up())
    assert operators((tmp_path / "linear.onnx").read_bytes()) == ["Flatten", "Gemm"]
    onnx_layers(tmp_path / "layers.onnx", (64, 300, 2), window=8)
    assert operators((tmp_path / "layers.onnx").read_bytes()) == ["Flatten", "Gemm", "Relu", "Gemm"]


@settings(max_examples=200, derandomize=True, deadline=None)
@given(content=st.binary(max_size=200))
def test_anything_has_some_or_none(content: bytes) -> None:
    assert all(isinstance(name, str) for name in operators(content))


def test_a_file_that_was_cut_does_no_harm(tmp_path: Path) -> None:
    onnx_linear(tmp_path / "linear.onnx", Linear.made_up())
    whole = (tmp_path / "linear.onnx").read_bytes()
    for end in range(len(whole)):
        assert len(operators(whole[:end])) <= 2
