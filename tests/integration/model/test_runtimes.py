"""The same cases through every runtime, each in an environment of its own that has no other."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from onnx import TensorProto

from tests import modelfiles
from tests.environments import Environment, environment
from tests.modelfiles import CHANNELS, OUTPUTS, WINDOW, Linear

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]

MODEL = Linear.made_up()
ROWS = np.linspace(-2.0, 2.0, WINDOW * CHANNELS).reshape(WINDOW, CHANNELS)

#: The package that each extra brings, and the end of the names of its files.
EXTRAS = {"inference": ".onnx", "litert": ".tflite", "tflite": ".tflite"}

Make = Callable[[Path], object]


class Case(NamedTuple):
    """A model file for each kind of runtime (None: not for it), and what the driver makes of it.

    Args:
        wrong: part of the reason why it gives no number; empty if it gives the right ones.
        within: how far from them it may be.
    """

    onnx: Make | None
    tflite: Make | None
    wrong: str = ""
    within: float = 1e-5
    channels: int = CHANNELS


def _cut(make: Make) -> Make:
    def cut(path: Path) -> None:
        make(path)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return cut


def _garbage(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 8)


def _onnx(path: Path) -> None:
    modelfiles.onnx_linear(path, MODEL)


def _tflite(path: Path) -> None:
    modelfiles.tflite_linear(path, MODEL)


CASES = {
    "good": Case(_onnx, _tflite),
    "open-batch": Case(lambda path: modelfiles.onnx_linear(path, MODEL, open_batch=True), None),
    "quantized": Case(None, lambda path: modelfiles.tflite_quantized(path, MODEL), within=0.6),
    "gives-nan": Case(
        lambda path: modelfiles.onnx_op(path, "Sqrt"),
        lambda path: modelfiles.tflite_op(path, modelfiles.SQRT),
        "gave nan, which is no number",
    ),
    "integers": Case(
        lambda path: modelfiles.onnx_op(path, "Abs", dtype=TensorProto.INT64),
        lambda path: modelfiles.tflite_op(path, modelfiles.NEG, dtype=modelfiles.INT64),
        "it takes int64, not floats",
    ),
    "unknown-op": Case(
        lambda path: modelfiles.onnx_op(path, "Frobnicate", domain="com.example"),
        lambda path: modelfiles.tflite_op(path, modelfiles.CUSTOM, custom="Frobnicate"),
        "Frobnicate",
    ),
    "hungry": Case(
        lambda path: modelfiles.onnx_hungry(path, 1 << 28),
        None,
        "more than 512 MB of memory; raise memory_mb",
    ),
    "wrong-shape": Case(
        _onnx, _tflite, "it takes (1, 8, 3), but window = 8 and 2 inputs give (1, 8, 2)", channels=2
    ),
    "cut": Case(_cut(_onnx), _cut(_tflite), "tried again in 10 min or when the file changes"),
    "garbage": Case(_garbage, _garbage, "tried again in 10 min or when the file changes"),
}


@pytest.fixture(scope="module")
def environments() -> dict[str, Environment | BaseException]:
    """By extra; made at once, since pip mostly waits for one core."""
    with ThreadPoolExecutor() as pool:
        made = {extra: pool.submit(environment, extra) for extra in EXTRAS}
    return {extra: future.exception() or future.result() for extra, future in made.items()}


@pytest.fixture(params=EXTRAS)
def extra(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def place(environments: dict[str, Environment | BaseException], extra: str) -> Environment:
    made = environments[extra]
    if isinstance(made, BaseException):
        raise made
    return made


def case(path: Path, channels: int = CHANNELS) -> dict[str, Any]:
    """What the driver is asked inside of an environment."""
    options = {
        "file": str(path),
        "inputs": [f"gpu/power/p{i}" for i in range(channels)],
        "window": WINDOW,
        "outputs": [{"channel": f"y{i}", "quantity": "power", "index": i} for i in range(OUTPUTS)],
        "deadline_ms": 5000,  # this machine may be busy
    }
    return {"options": options, "rows": ROWS[:, :channels].tolist()}


def ask(place: Environment, cases: list[dict[str, Any]], **variables: str) -> dict[str, Any]:
    printed = place.run("tests.integration.model.inside", json.dumps(cases), variables)
    answer: dict[str, Any] = json.loads(printed)
    return answer


def test_the_same_cases_in_each_environment(place: Environment, extra: str, tmp_path: Path) -> None:
    suffix = EXTRAS[extra]
    made = {name: (each, getattr(each, suffix[1:])) for name, each in CASES.items()}
    chosen = {name: (each, make) for name, (each, make) in made.items() if make}
    asked = []
    for name, (each, make) in chosen.items():
        path = tmp_path / f"{name}{suffix}"
        make(path)
        asked.append(case(path, each.channels))
    answer = ask(place, asked)
    assert not {"numpy", "onnxruntime"} & set(answer["modules"]), "the agent's process takes neither"
    for (name, (each, _)), result in zip(chosen.items(), answer["results"], strict=True):
        if each.wrong:
            assert each.wrong in result.get("refused", "") + " ".join(map(str, result.get("values", []))), (
                name
            )
        else:
            assert result == {"values": pytest.approx(MODEL(ROWS), abs=each.within)}, name


@pytest.mark.parametrize(
    ("extra", "suffix", "words"),
    [
        ("litert", ".onnx", "onnxruntime is not installed; pip install 'edgeagent[inference]'"),
        (
            "inference",
            ".tflite",
            "neither of the Python packages ai-edge-litert and tflite-runtime is installed",
        ),
    ],
    indirect=["extra"],
)
def test_a_runtime_that_is_missing_is_told_with_the_remedy(
    place: Environment, tmp_path: Path, suffix: str, words: str
) -> None:
    path = tmp_path / f"good{suffix}"
    (_onnx if suffix == ".onnx" else _tflite)(path)
    [result] = ask(place, [case(path)])["results"]
    assert words in result["refused"]


@pytest.mark.parametrize("extra", ["tflite"], indirect=True)
def test_tflite_runtime_beside_a_numpy_that_it_does_not_work_with(place: Environment, tmp_path: Path) -> None:
    newer = tmp_path / "newer" / "numpy-2.4.0.dist-info"
    newer.mkdir(parents=True)
    (newer / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 2.4.0\n")
    _tflite(tmp_path / "good.tflite")
    [result] = ask(place, [case(tmp_path / "good.tflite")], PYTHONPATH=str(newer.parent))["results"]
    assert "does not work with numpy 2.4.0; pip install 'numpy<2'" in result["refused"]
    assert "\n" not in result["refused"]
