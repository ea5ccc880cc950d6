"""What a configuration may say of a model, and how each mistake is told."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from edgeagent.drivers.model.options import ModelOptions
from edgeagent_sdk.config import ConfigError

GOOD: dict[str, Any] = {
    "file": "/models/heat.onnx",
    "inputs": ["gpu0/power/board", "gpu0/temperature/die"],
    "outputs": [{"channel": "soon", "quantity": "temperature"}],
}


def options(**keys: Any) -> ModelOptions:
    table = {key: value for key, value in (GOOD | keys).items() if value is not None}
    return msgspec.convert(table, ModelOptions)


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"file": None, "builtin": "forecast", "outputs": None, "options": {"horizon": 96}},
        {"file": "HEAT.TFLITE", "window": 32, "scaling": {"power": [200, 50], "gpu0/power/board": [1, 2]}},
        {"outputs": [{"channel": "p", "quantity": "power", "unit": "mW", "index": 3, "tensor": "y"}]},
    ],
)
def test_good_ones(keys: dict[str, Any]) -> None:
    options(**keys)


@pytest.mark.parametrize(
    ("keys", "key", "words"),
    [
        ({"file": None}, "file", "give file or builtin"),
        ({"builtin": "forecast"}, "file", "give file or builtin"),
        ({"file": "heat.pt"}, "file", "must end in .onnx or .tflite, not 'heat.pt'"),
        ({"options": {"a": 1}}, "options", "are for a built-in model"),
        ({"inputs": ["gpu0/power"]}, "inputs", "'gpu0/power' is not device/quantity/name"),
        ({"inputs": ["gpu*/power/board"]}, "inputs", "of one channel"),
        ({"inputs": ["gpu0/pwer/board"]}, "inputs", "did you mean 'power'?"),
        ({"inputs": ["a/power/b", "a/power/b"]}, "inputs", "names a channel twice"),
        (
            {"window": 65536, "inputs": [f"a/power/b{i}" for i in range(33)]},
            "window",
            "65536 samples of 33 inputs are 2,162,688 numbers; a model is given 2,097,152 at most",
        ),
        ({"scaling": {"voltage": [0, 1]}}, "scaling", "'voltage' is no input"),
        ({"scaling": {"power": [0, 0]}}, "scaling", "the scale not 0"),
        ({"outputs": None}, "outputs", "is missing"),
        ({"outputs": [{"channel": "x", "quantity": "pwer"}]}, "outputs", "unknown quantity 'pwer'"),
        ({"outputs": [{"channel": "X y", "quantity": "power"}]}, "outputs", "X y"),
        (
            {"outputs": [{"channel": "x", "quantity": "power", "unit": "V"}]},
            "outputs",
            "power is measured in W",
        ),
        ({"outputs": [{"channel": "x", "quantity": "power", "unit": "wat"}]}, "outputs", "unknown 'wat'"),
        ({"outputs": [{"channel": "x", "quantity": "temperature", "unit": "K"}]}, "outputs", "is in Cel"),
        ({"outputs": [{"channel": "x", "quantity": "power"}] * 2}, "outputs", "'x' is given twice"),
    ],
)
def test_mistakes(keys: dict[str, Any], key: str, words: str) -> None:
    with pytest.raises(ConfigError) as error:
        options(**keys)
    [problem] = error.value.problems
    assert problem.key == key and words in problem.message


@pytest.mark.parametrize(
    ("quantity", "unit", "factor"),
    [
        ("power", "", 1.0),
        ("power", "W", 1.0),
        ("power", "kW", 1e3),
        ("energy", "kW.h", 3.6e6),
        ("duty", "%", 0.01),
    ],
)
def test_units_lead_to_the_quantitys_own(quantity: str, unit: str, factor: float) -> None:
    [output] = options(outputs=[{"channel": "x", "quantity": quantity, "unit": unit}]).outputs
    assert output.factor() == pytest.approx(factor)
