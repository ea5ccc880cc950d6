"""What tells an installation from every other."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeagent.installation import StateDir
from edgeagent_sdk.errors import EdgeError


def machine(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "machine-id"
    file.write_text(text)
    return file


def test_the_id_stays_over_restarts_and_changes_on_a_cloned_disk(tmp_path: Path) -> None:
    state = StateDir(tmp_path / "state")
    first = state.instance(machine(tmp_path, "m1"))
    assert first == state.instance(machine(tmp_path, "m1"))
    assert first != state.instance(machine(tmp_path, "m2"))
    assert first != StateDir(tmp_path / "other").instance(machine(tmp_path, "m1"))


@pytest.mark.parametrize("content", ["", "not a uuid", "\x00"])
def test_a_damaged_id_is_replaced(tmp_path: Path, content: str) -> None:
    state = StateDir(tmp_path)
    (tmp_path / "instance").write_text(content)
    assert state.instance(machine(tmp_path, "m1")) == state.instance(machine(tmp_path, "m1"))


def test_a_machine_without_an_id(tmp_path: Path) -> None:
    assert StateDir(tmp_path).instance(tmp_path / "nowhere")


def test_a_directory_in_use_is_refused(tmp_path: Path) -> None:
    first = StateDir(tmp_path)
    with pytest.raises(EdgeError, match="another agent runs with it; stop that one or set another state_dir"):
        StateDir(first.path)


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EdgeError, match="make it writable for this user or set another state_dir"):
        StateDir(tmp_path / "file" / "state")
