"""`edgeagent model`: what a model is, before an agent runs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.modelfiles import Linear, onnx_linear, onnx_op

from .cli import edgeagent


def test_what_a_model_takes_gives_and_costs(tmp_path: Path) -> None:
    path = tmp_path / "heat.onnx"
    onnx_linear(path, Linear.made_up())
    [told] = edgeagent("model", "show", path, "--json").json
    assert told["tensors"] == [
        {"direction": "input", "tensor": "x", "shape": "(1, 8, 3)", "type": "float32"},
        {"direction": "output", "tensor": "y", "shape": "(1, 2)", "type": "float32"},
    ]
    assert told["operators"] == {"Flatten": 1, "Gemm": 1}
    assert told["options"] == [
        {"layout": "window-channels", "window": 8, "inputs": 3},
        {"layout": "channels-window", "window": 3, "inputs": 8},
    ]
    assert told["runtime"].startswith("onnxruntime ")
    assert 0 < told["latency_s"] < 1 and 10e6 < told["resident_bytes"] < 200e6
    said = edgeagent("model", "show", path).out
    assert 'In agent.toml: 3 inputs, window = 8, layout = "window-channels"; or 8 inputs,' in said


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("heat.pt", "a model's name ends in .onnx or .tflite"),
        ("absent.onnx", "no such file or directory"),
        ("rubbish.onnx", "is no ONNX model: Protobuf parsing failed"),
        ("unknown.onnx", "Frobnicate"),
    ],
)
def test_mistakes(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "rubbish.onnx").write_bytes(b"\x00\xff" * 99)
    onnx_op(tmp_path / "unknown.onnx", "Frobnicate", domain="com.example")
    assert words in edgeagent("model", "show", tmp_path / name).mistake
