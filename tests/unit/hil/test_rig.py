"""The rig's own parts, without a node: the serial line, and instruments behind commands."""

from __future__ import annotations

import os
import random
import resource
import select
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeagent_hil.rig.boards import BOARDS, KNOBS, board
from edgeagent_hil.rig.faults import drift
from edgeagent_hil.rig.flash import program
from edgeagent_hil.rig.line import Line, flipped
from edgeagent_hil.rig.machine import Machine
from edgeagent_hil.rig.master import crc, frame
from edgeagent_hil.rig.stimulus import CommandStimulus, NoInstrument
from edgeagent_sdk.errors import EdgeError
from edgeagent_sdk.nodemap import CHANNELS
from tests.services import wait_until


@pytest.fixture
def node(tmp_path: Path) -> Iterator[int]:
    """A terminal that stands for the node's port, at ``tmp_path/node``; the end where the node is."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    (tmp_path / "node").symlink_to(os.ttyname(theirs))
    yield ours
    os.close(ours)
    os.close(theirs)


def heard(fd: int, timeout_s: float = 5.0) -> bytes:
    """What comes next; empty if nothing does."""
    return os.read(fd, 4096) if select.select([fd], [], [], timeout_s)[0] else b""


def test_a_line_carries_bytes_both_ways(tmp_path: Path, node: int) -> None:
    with Line(tmp_path / "node", tmp_path / "port") as line:
        port = os.open(line.port, os.O_RDWR)
        os.write(port, b"request")
        assert heard(node) == b"request"
        os.write(node, b"answer")
        assert heard(port) == b"answer"
        os.close(port)
    assert not os.path.lexists(tmp_path / "port")


def test_a_line_pulled_out_and_put_back(tmp_path: Path, node: int) -> None:
    with Line(tmp_path / "node", tmp_path / "port") as line:
        port = os.open(line.port, os.O_RDWR)
        with line.unplugged():
            assert not os.path.lexists(line.port)
            with pytest.raises(OSError):
                os.write(port, b"to nobody")
            os.write(node, b"to nobody")
        os.close(port)
        port = os.open(line.port, os.O_RDWR)
        os.write(port, b"again")
        assert heard(node) == b"again"
        os.write(node, b"here")
        assert heard(port) == b"here"
        os.close(port)


def test_a_slow_line_loses_nothing_and_keeps_the_order(tmp_path: Path, node: int) -> None:
    with Line(tmp_path / "node", tmp_path / "port") as line:
        port = os.open(line.port, os.O_RDWR)
        with line.slow(0.3):
            os.write(node, b"late ")
            assert heard(port, 0.1) == b""
            assert heard(port) == b"late "
        os.close(port)


def test_a_line_waits_for_its_node(tmp_path: Path) -> None:
    with Line(tmp_path / "node", tmp_path / "port") as line:
        ours, theirs = os.openpty()
        (tmp_path / "node").symlink_to(os.ttyname(theirs))
        port = os.open(line.port, os.O_RDWR)

        def reaches() -> bool:
            os.write(port, b"?")
            return heard(ours, 0.1) != b""

        wait_until(reaches, "the node hears")
        for fd in (ours, theirs, port):
            os.close(fd)


def test_damaged_bits_are_counted_and_repeat_with_the_seed(tmp_path: Path, node: int) -> None:
    seen = []
    for name in ("one", "two"):
        with Line(tmp_path / "node", tmp_path / name, seed=7) as line:
            port = os.open(line.port, os.O_RDWR)
            with line.bit_errors(0.05):
                os.write(port, bytes(100))
                got = heard(node)
            seen.append(got)
            assert sum(byte.bit_count() for byte in got) == line.damaged_bits > 10
            os.write(port, bytes(100))
            assert heard(node) == bytes(100)
            os.close(port)
    assert seen[0] == seen[1]


@pytest.mark.parametrize("rate", [0.0, 1e-4, 1e-2, 0.5, 1.0])
def test_so_many_bits_are_wrong_as_the_rate_says(rate: float) -> None:
    bits = 200_000
    flips = list(flipped(bits, rate, random.Random(3)))
    assert flips == sorted(set(flips)) and all(0 <= bit < bits for bit in flips)
    deviation = (bits * rate * (1 - rate)) ** 0.5
    assert abs(len(flips) - bits * rate) <= 5 * deviation


def test_a_frame_ends_with_its_crc() -> None:
    """The example of the specification's appendix B: function 7 to slave 2."""
    assert frame(2, b"\x07") == bytes.fromhex("0207 4112")
    assert crc(b"") == b"\xff\xff"


class Bench(CommandStimulus):
    """A bench of shell commands."""

    def __init__(self, home: Path) -> None:
        self.forces = {
            "voltage_in": f"sh -c 'echo {{value:.2f}} | tee {home}/volt'",
            "current_out": f"sh -c 'echo {{value}} > {home}/ampere'",
            "power_in": "sh -c 'echo overload >&2; exit 3'",
            "voltage_out": "echo ok",
        }
        self.relays = [f"cat {home}/relay"]


def test_instruments_behind_commands(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    assert bench.set("voltage_in", 12.3456) == 12.35
    assert (tmp_path / "volt").read_text() == "12.35\n"
    assert bench.set("current_out", 2.5) == 2.5
    for state in (0, 1):
        (tmp_path / "relay").write_text(f"{state}\n")
        assert bench.relay(1) is bool(state)


@pytest.mark.parametrize(
    ("act", "kind", "words"),
    [
        (
            lambda b: b.set("temperature_inlet", 1),
            NoInstrument,
            "no instrument that forces temperature_inlet",
        ),
        (lambda b: b.relay(2), NoInstrument, "no instrument that measures relay 2"),
        (lambda b: b.stuck("voltage_in"), NoInstrument, "no instrument makes the sensor of voltage_in stick"),
        (lambda b: b.set("power_in", 1), EdgeError, "exit code 3: overload"),
        (lambda b: b.set("voltage_out", 1), EdgeError, "printed 'ok', which is no number"),
    ],
)
def test_what_a_bench_cannot_do(tmp_path: Path, act, kind: type[EdgeError], words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(kind, match=words):
        act(Bench(tmp_path))


def test_a_sensor_drifts_and_comes_back(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    with drift(bench, "voltage_in", 12.0, 10.0):
        wait_until(lambda: float((tmp_path / "volt").read_text() or 0) > 13.0, "it drifts")
    assert (tmp_path / "volt").read_text() == "12.00\n"


def test_the_world_forces_channels_that_a_node_has() -> None:
    assert set(KNOBS) <= {f"{channel.quantity}_{channel.name}" for channel in CHANNELS}
    for each in BOARDS.values():
        assert {knob.device for knob in KNOBS.values()} <= set(each.devices)


def test_what_is_missing_is_told_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match=r"unknown board 'ast1040'; did you mean 'ast1030'\?"):
        board("ast1040")
    machine = Machine(board("mps2"), tmp_path, tmp_path / "port", firmware=tmp_path)
    with pytest.raises(EdgeError, match=r"app.elf: the firmware is not built; run `make firmware`"):
        machine.on()


def test_a_new_image_leaves_the_settings_alone(tmp_path: Path) -> None:
    """Sectors that are erased in the image are the node's own."""
    sector, erased = 4096, b"\xff" * 4096
    built, flash = tmp_path / "built.img", tmp_path / "flash.img"
    built.write_bytes(b"\x01" * sector + erased + erased)
    program(built, flash)
    assert flash.read_bytes() == built.read_bytes()
    kept = b"\x01" * sector + b"settings".ljust(sector, b"\xff") + erased
    flash.write_bytes(kept)
    program(built, flash)
    assert flash.read_bytes() == kept
    built.write_bytes(b"\x02" * sector + erased + erased)
    program(built, flash)
    assert flash.read_bytes() == b"\x02" * sector + kept[sector:]


def test_on_a_full_disk_the_flash_is_as_it_was(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk."""
    built, flash = tmp_path / "built.img", tmp_path / "flash.img"
    built.write_bytes(b"\x01" * 8192)
    program(built, flash)
    files = {file: file.read_bytes() for file in tmp_path.iterdir() if file != built}
    built.write_bytes(b"\x02" * 8192)
    _, hard = before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6000, hard))
    try:
        with pytest.raises(EdgeError, match=r"flash.img: the node's flash cannot be written: file too large"):
            program(built, flash)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert {file: file.read_bytes() for file in tmp_path.iterdir() if file != built} == files
    program(built, flash)
    assert flash.read_bytes() == built.read_bytes()
