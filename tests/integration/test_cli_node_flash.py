"""`edgeagent node flash`, as far as it comes without a boot loader; the rig's tests take it from there."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeagent_sdk.nodemap import Board, Capability
from tests.integration.cli import edgeagent
from tests.modelnode import ModelNode
from tests.serialline import SerialLine, serial_line
from tests.unit.drivers.test_node_imagefile import make


@pytest.fixture
def model() -> ModelNode:
    model = ModelNode()
    model.values["identity"] |= {"board": Board.AST1030, "capabilities": Capability.UPDATE}
    return model


@pytest.fixture
def line(tmp_path: Path, model: ModelNode) -> Iterator[SerialLine]:
    with serial_line(tmp_path / "tty", model.answer) as made:
        yield made


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image"
    path.write_bytes(make())
    return path


def test_not_an_image(line: SerialLine, image: Path, model: ModelNode) -> None:
    image.write_bytes(b"\x7fELF")
    assert "is no firmware image" in edgeagent("node", "flash", image, "--port", line.path).mistake
    assert "no such file" in edgeagent("node", "flash", "absent", "--port", line.path).mistake
    assert model.requests == 0


def test_another_board(line: SerialLine, image: Path) -> None:
    image.write_bytes(make(board=Board.MPS2))
    mistake = edgeagent("node", "flash", image, "--port", line.path).mistake
    assert "for the board mps2, the node is ast1030" in mistake


def test_a_board_that_takes_none(line: SerialLine, image: Path, model: ModelNode) -> None:
    model.values["identity"]["capabilities"] = 0
    assert "takes no new image" in edgeagent("node", "flash", image, "--port", line.path).mistake


def test_nobody_at_the_port(tmp_path: Path, image: Path) -> None:
    assert "is not there" in edgeagent("node", "flash", image, "--port", tmp_path / "none").mistake


def test_without_smpclient(tmp_path: Path, line: SerialLine, image: Path) -> None:
    (tmp_path / "smpclient.py").write_text("raise ImportError('no')")
    more = {"PYTHONPATH": f"{tmp_path}:{':'.join(sys.path)}"}
    mistake = edgeagent("node", "flash", image, "--port", line.path, more=more).mistake
    assert "pip install 'edgeagent[flash]'" in mistake
