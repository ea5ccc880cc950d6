"""The services in `packaging/systemd`: systemd takes them, and they run commands that there are."""

from __future__ import annotations

import configparser
import os
import shlex
import shutil
import subprocess
import sys
from inspect import signature
from itertools import dropwhile
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[3]
_UNITS = sorted((_ROOT / "packaging" / "systemd").glob("*.service"))
_PROGRAM = "/opt/edgeagent/bin/edgeagent"


@pytest.fixture(params=_UNITS, ids=lambda path: path.stem)
def unit(request: pytest.FixtureRequest) -> Path:
    path = request.param
    assert isinstance(path, Path)
    return path


def _service(unit: Path) -> configparser.SectionProxy:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(unit.read_text("utf-8"))
    return parser["Service"]


def test_there_is_a_unit_for_each_end() -> None:
    assert [unit.stem for unit in _UNITS] == ["edgeagent-aggregator", "edgeagent-optimizer", "edgeagent"]


def test_systemd_takes_it(unit: Path, tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("a machine without systemd, a container perhaps")
    installed = tmp_path / unit.name  # as if the program were there
    installed.write_text(unit.read_text("utf-8").replace(_PROGRAM, "/bin/true"), "utf-8")
    done = subprocess.run(
        [analyze, "verify", "--man=no", "--recursive-errors=no", str(installed)],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_its_command_knows_its_options(unit: Path) -> None:
    program, *line = shlex.split(_service(unit)["ExecStart"])
    assert program == _PROGRAM
    options = list(dropwhile(lambda word: not word.startswith("--"), line))
    done = subprocess.run(
        [sys.executable, "-m", "edgeagent", *line[: len(line) - len(options)], "--help"],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    )
    assert done.returncode == 0
    assert all(option in done.stdout for option in options if option.startswith("--"))


def test_its_state_is_where_the_program_keeps_it(unit: Path) -> None:
    from edgeagent.config import AgentConfig
    from edgeagent_central.config import CentralKeys
    from edgeagent_central.optimize.power.cli import run

    default = {
        "edgeagent": AgentConfig(site="s").state_dir,
        "edgeagent-aggregator": CentralKeys().state_dir,
        "edgeagent-optimizer": str(signature(run).parameters["state_dir"].default),
    }
    assert default[unit.stem] == f"/var/lib/{_service(unit)['StateDirectory']}"
