"""Drivers in packages of their own: built, installed into a separate environment, found and read there."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.services import wait_until

from .cli import edgeagent, environment

EXAMPLE = Path(__file__).parents[2] / "sdk" / "examples" / "edgeagent-fanbox"

PORT = "dev/serial/by-id/usb-Example_Fanbox_42-if00"


class Venv:
    """A virtual environment that has all that this one has, and what is installed into it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.python = home / "bin" / "python"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
        theirs = Path(sysconfig.get_path("purelib", vars={"base": str(home)}))
        # By `addsitedir`, so that what is installed here as editable is found there as well.
        ours = sysconfig.get_path("purelib")
        (theirs / "ours.pth").write_text(f"import site; site.addsitedir({ours!r})\n")

    def install(self, *packages: Path) -> None:
        """Build packages and install them, without asking any index."""
        options = [
            "--quiet",
            "--no-deps",
            "--no-build-isolation",
            "--no-index",
            "--disable-pip-version-check",
        ]
        pip = [
            sys.executable,
            "-m",
            "pip",
            "--python",
            str(self.python),
            "install",
            *options,
            *map(str, packages),
        ]
        done = subprocess.run(pip, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def run(self, *arguments: str | Path, cwd: Path) -> str:
        """What a module of it prints; fails unless it succeeds."""
        done = subprocess.run(
            [str(self.python), "-P", "-m", *map(str, arguments)],
            cwd=cwd,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def rows(self, command: str, root: Path) -> list[dict[str, Any]]:
        """What a command of edgeagent's prints about the machine below `root`."""
        printed = self.run("edgeagent", command, "--root", root, "--json", cwd=self.home)
        return msgspec.json.decode(printed, type=list[dict[str, Any]])


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `edgeagent driver new` writes."""
    home = tmp_path_factory.mktemp("fresh")
    result = edgeagent("driver", "new", "cold-room", "--dir", home)
    assert result.code == 0, result
    return home / "edgeagent-cold-room"


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory, fresh: Path) -> Venv:
    made = Venv(tmp_path_factory.mktemp("venv") / "venv")
    made.install(EXAMPLE, fresh)
    return made


@contextmanager
def fanbox(root: Path) -> Iterator[None]:
    """The box on a pty, as the example's README starts it."""
    port = root / PORT
    port.parent.mkdir(parents=True)
    with subprocess.Popen([sys.executable, str(EXAMPLE / "tests" / "fanbox.py"), str(port)]) as box:
        try:
            wait_until(port.exists, "the box is plugged in")
            yield
        finally:
            box.kill()


def channels(rows: list[dict[str, Any]]) -> dict[str, float]:
    return {f"{row['device']}/{row['quantity']}/{row['channel']}": row["value"] for row in rows}


def test_the_example_is_found_and_read(tmp_path: Path, venv: Venv) -> None:
    with fanbox(tmp_path):
        [found] = venv.rows("probe", tmp_path)
        assert (found["driver"], found["device"], found["missing"]) == ("fanbox", "fanbox", "")
        assert found["options"] == {"port": f"/{PORT}"}
        values = channels(venv.rows("read", tmp_path))
    assert values == {"fanbox/temperature/air": 24.5, "fanbox/speed/fan": 1200.0, "fanbox/duty/fan": 0.4}


def test_what_driver_new_writes_is_found_and_read(tmp_path: Path, venv: Venv) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/cold-room").write_text("-18.25\n")
    [found] = venv.rows("probe", tmp_path)
    assert (found["driver"], found["device"], found["missing"]) == ("cold-room", "cold-room", "")
    assert channels(venv.rows("read", tmp_path)) == {"cold-room/temperature/air": -18.25}


def test_both_are_among_the_drivers_there_and_not_here(venv: Venv) -> None:
    printed = venv.run("edgeagent", "driver", "list", "--json", cwd=venv.home)
    there = {row["driver"]: row["package"] for row in msgspec.json.decode(printed)}
    assert there["fanbox"] == "edgeagent-fanbox 0.1.0"
    assert there["cold-room"] == "edgeagent-cold-room 0.1.0"
    here = {row["driver"] for row in edgeagent("driver", "list", "--json").json}
    assert here == set(there) - {"fanbox", "cold-room"}


def test_their_own_tests_pass_there(venv: Venv, fresh: Path) -> None:
    said = venv.run(
        "pytest", "-q", "-p", "no:cacheprovider", EXAMPLE / "tests", fresh / "tests", cwd=venv.home
    )
    assert " passed" in said


@pytest.mark.parametrize("judge", ["mypy --strict src", "ruff check .", "ruff format --check ."])
def test_what_driver_new_writes_is_typed_and_tidy(venv: Venv, fresh: Path, judge: str) -> None:
    venv.run(*judge.split(), cwd=fresh)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Thermo", "'thermo' would do"),
        ("cold_room", "'cold-room' would do"),
        ("9", "'thermo' would do"),
        ("x" * 60, "40 characters at most"),
        ("modbus", "is installed already"),
        ("hil", "there is a package edgeagent_hil already"),
    ],
)
def test_names_that_cannot_be(tmp_path: Path, name: str, words: str) -> None:
    assert words in edgeagent("driver", "new", name, "--dir", tmp_path).mistake
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    mine = tmp_path / "edgeagent-thermo"
    mine.mkdir()
    assert "exists already" in edgeagent("driver", "new", "thermo", "--dir", tmp_path).mistake
    assert not list(mine.iterdir())


def test_a_directory_that_cannot_be_written_is_told_and_nothing_stays(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = edgeagent("driver", "new", "thermo", "--dir", tmp_path / "file").mistake
    assert "cannot be written: not a directory" in said or "file exists" in said
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
