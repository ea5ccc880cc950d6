"""The path at which a rig's terminal appears: nothing that somebody else has there is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgeagent_hil.rig.line import Line
from edgeagent_hil.rig.portlink import PortLink
from edgeagent_sdk.errors import EdgeError

#: Makes a link, and is killed before it can remove it.
_KILLED = """
import os, pathlib, sys
from edgeagent_hil.rig.portlink import PortLink
PortLink(pathlib.Path(sys.argv[1]), sys.argv[2])
os.kill(os.getpid(), 9)
"""


@pytest.fixture
def terminal() -> Iterator[str]:
    """The path of a terminal that lives."""
    ours, theirs = os.openpty()
    yield os.ttyname(theirs)
    os.close(ours)
    os.close(theirs)


def test_a_link_comes_and_goes(tmp_path: Path, terminal: str) -> None:
    port = tmp_path / "port"
    for _ in range(2):
        link = PortLink(port, terminal)
        assert port.readlink() == Path(terminal)
        link.remove()
        assert not os.path.lexists(port)


@pytest.mark.parametrize(
    ("occupy", "words"),
    [
        (lambda port: port.write_text("mine"), "a file is there, which no rig has made"),
        (lambda port: port.mkdir(), "a directory is there, which no rig has made"),
        (lambda port: port.symlink_to("/dev/ttyUSB0"), "a link to /dev/ttyUSB0 is there, which no rig"),
        (lambda port: port.symlink_to("../other"), "a link to ../other is there, which no rig"),
    ],
)
def test_what_is_there_stays(
    tmp_path: Path, terminal: str, occupy: Callable[[Path], object], words: str
) -> None:
    port = tmp_path / "port"
    occupy(port)
    before = port.lstat()
    with pytest.raises(EdgeError, match=f"^{port}: {words}.*; give another path for the port$"):
        PortLink(port, terminal)
    assert os.path.samestat(port.lstat(), before)
    assert list(tmp_path.iterdir()) == [port]


def test_a_directory_that_is_not_there(tmp_path: Path, terminal: str) -> None:
    with pytest.raises(EdgeError, match="none/port: no such file or directory; give another path"):
        PortLink(tmp_path / "none/port", terminal)


def test_another_rigs_port_is_not_taken(tmp_path: Path, terminal: str) -> None:
    """Whichever way its directory is written; once the other one has ended, it is free."""
    port = tmp_path / "port"
    (tmp_path / "same").symlink_to(tmp_path)
    link = PortLink(port, terminal)
    for path in (port, tmp_path / "same/port"):
        with pytest.raises(EdgeError, match="another rig's port is there; stop that one, or give another"):
            PortLink(path, "/dev/pts/ptmx")
    assert port.readlink() == Path(terminal)
    link.remove()
    PortLink(port, terminal).remove()


def test_a_link_of_one_that_was_killed_is_replaced(tmp_path: Path, terminal: str) -> None:
    """Also if its terminal's number is somebody else's by now."""
    port = tmp_path / "port"
    subprocess.run([sys.executable, "-c", _KILLED, str(port), terminal], check=False)
    assert port.readlink() == Path(terminal)
    link = PortLink(port, "/dev/pts/ptmx")
    assert port.readlink() == Path("/dev/pts/ptmx")
    link.remove()


def test_what_has_taken_its_place_stays(tmp_path: Path, terminal: str) -> None:
    port = tmp_path / "port"
    link = PortLink(port, terminal)
    port.unlink()
    port.write_text("mine")
    link.remove()
    assert port.read_text() == "mine"


def test_a_line_takes_no_others_port(tmp_path: Path) -> None:
    (tmp_path / "port").write_text("mine")
    with pytest.raises(EdgeError, match="a file is there"), Line(tmp_path / "node", tmp_path / "port"):
        pass
    assert (tmp_path / "port").read_text() == "mine"
