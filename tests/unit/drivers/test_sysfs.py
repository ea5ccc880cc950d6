"""One file, one number: what is gone, replaced, blocked or absurd is a fault, and never its last number."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edgeagent.drivers.sysfs import Attribute, listing, readable, text
from edgeagent_sdk.channel import Fault

from .trees import EIO


def descriptors() -> set[int]:
    return {int(entry.name) for entry in Path("/proc/self/fd").iterdir()}


def replace(file: Path) -> None:
    draft = file.with_suffix(".new")
    draft.write_text("2000")
    draft.replace(file)


def recreate(file: Path) -> None:
    file.unlink()
    file.write_text("2000")


def into_directory(file: Path) -> None:
    file.unlink()
    file.mkdir()


def into_eio(file: Path) -> None:
    file.unlink()
    file.symlink_to(EIO)


@pytest.mark.parametrize(
    ("change", "reading"),
    [
        pytest.param(lambda file: file.write_text("2000"), 2.0, id="written again"),
        pytest.param(lambda file: file.write_text("7"), 0.007, id="with fewer digits"),
        pytest.param(replace, 2.0, id="replaced by another file"),
        pytest.param(recreate, 2.0, id="gone and back"),
        pytest.param(Path.unlink, "no such file", id="gone"),
        pytest.param(into_directory, "is a directory", id="a directory now"),
        pytest.param(into_eio, "input/output error", id="EIO"),
    ],
)
def test_a_file_that_changes_while_it_is_open(
    tmp_path: Path, change: Callable[[Path], object], reading: float | str
) -> None:
    file = tmp_path / "temp1_input"
    file.write_text("1000")
    attribute = Attribute(file, 1e-3)
    assert attribute.read() == 1.0
    change(file)
    now = attribute.read()
    if isinstance(reading, str):
        assert isinstance(now, Fault) and reading in now.reason and "temp1_input" in now.reason
    else:
        assert now == pytest.approx(reading)
    attribute.close()


@pytest.mark.parametrize("content", ["nan", "inf", "-inf", "1e999", "", "\0", "0x10", "1 2", "12 W"])
def test_what_is_not_a_finite_number_is_a_fault(tmp_path: Path, content: str) -> None:
    file = tmp_path / "value"
    file.write_text(content)
    assert isinstance(Attribute(file).read(), Fault)


def test_after_a_failure_it_reads_on(tmp_path: Path) -> None:
    file = tmp_path / "value"
    file.symlink_to(EIO)
    attribute = Attribute(file)
    assert isinstance(attribute.read(), Fault)
    file.unlink()
    file.write_text("5")
    assert [attribute.read(), attribute.read()] == [5.0, 5.0]
    attribute.close()


def test_sensors_leave_the_low_descriptors_to_the_network(tmp_path: Path) -> None:
    """select(2), in which MQTT's thread waits, takes none above 1023."""
    before = descriptors()
    attributes = [Attribute(tmp_path / f"value{i}") for i in range(50)]
    for i, attribute in enumerate(attributes):
        attribute.path.write_text(str(i))
    assert [attribute.read() for attribute in attributes] == [float(i) for i in range(50)]
    opened = descriptors() - before
    assert len(opened) >= 50 and sorted(opened)[-50] >= 1024
    for attribute in attributes:
        attribute.close()
        attribute.close()  # as `Sensor.close` may be called twice
    assert not descriptors() - before


_FEW_FILES = """
import resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_NOFILE, (64, int(sys.argv[2])))
from edgeagent.drivers.sysfs import Attribute
attributes = [Attribute(path) for path in sorted(Path(sys.argv[1]).iterdir())]
for _ in range(3):
    assert [a.read() for a in attributes] == [1.0] * len(attributes)
open("/dev/null").close()
"""


@pytest.mark.parametrize("hard", [pytest.param(64, id="no room"), pytest.param(1100, id="room for some")])
def test_more_sensors_than_files_allowed_are_read_all_the_same(tmp_path: Path, hard: int) -> None:
    for i in range(200):
        (tmp_path / f"value{i}").write_text("1")
    subprocess.run([sys.executable, "-c", _FEW_FILES, str(tmp_path), str(hard)], check=True)


def test_the_kernels_own_files(tmp_path: Path) -> None:
    """Real sysfs: read again and again through one descriptor, it gives the value of the moment."""
    counter = Path("/sys/class/net/lo/statistics/rx_bytes")
    if not counter.exists():
        pytest.skip("no sysfs here")
    attribute = Attribute(counter)
    first = attribute.read()
    subprocess.run(
        [
            sys.executable,
            "-c",
            "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
            "s.sendto(b'x' * 999, ('127.0.0.1', 9))",
        ],
        check=True,
    )
    second = attribute.read()
    attribute.close()
    assert isinstance(first, float) and isinstance(second, float)
    assert second >= first + 999


def test_small_helpers(tmp_path: Path) -> None:
    (tmp_path / "name").write_bytes(b" caf\xe9\n")
    assert text(tmp_path / "name") == "caf\ufffd"
    assert text(tmp_path / "none", "default") == "default"
    assert readable(tmp_path / "none") == "no such file or directory"
    os.mkfifo(tmp_path / "fifo")
    assert readable(tmp_path / "fifo") == ""  # and it did not wait for a writer
    assert listing(tmp_path / "none") == []
