"""`edgeagent rig node` and `edgeagent up --rig`: an emulated node, and nothing left behind."""

from __future__ import annotations

import os
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edgeagent_hil.rig.machine import FIRMWARE
from edgeagent_sdk.nodemap import CALIBRATION, CONFIG
from hil.tests.registers import Registers
from hil.tests.settings import Settings
from tests.services import Service, spawn, wait_until

from .cli import command, edgeagent, environment
from .test_cli_up import alive, children
from .test_cli_up import running as up

ROOT = Path(__file__).parents[2]


def grandchildren(pid: int) -> list[int]:
    """All processes below one."""
    return [pid for child in children(pid) for pid in (child, *grandchildren(child))]


def stored(home: Path, device: str) -> dict[tuple[str, str], float]:
    """(quantity, channel) → the newest value of a device in the store of `edgeagent up`."""
    with sqlite3.connect(f"file:{home}/store.db?mode=ro", uri=True) as store:
        rows = store.execute(
            "SELECT quantity, channel, value FROM point JOIN series ON series.id = point.series "
            "WHERE device = ? ORDER BY time_ns",
            (device,),
        )
        return {(quantity, channel): value for quantity, channel, value in rows}


@contextmanager
def running(home: Path, *arguments: str | Path) -> Iterator[Service]:
    """A node that answers."""
    line = command("rig", "node", "--state-dir", home / "node", *arguments)
    with spawn(line, home, name="node", environment=environment()) as node:
        said = len(node.log.read_text())
        wait_until(lambda: "in QEMU" in node.log.read_text()[said:], "it answers", 40)
        yield node


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_switches_it_off(tmp_path: Path, number: int) -> None:
    with running(tmp_path, "--board", "mps2") as node:
        below = grandchildren(node.pid)
        assert below != []
        node.signal(number)
        wait_until(lambda: not node.running, "it ends")
        assert node.stop() == 0
    assert not any(map(alive, below))
    assert not os.path.lexists(tmp_path / "node/port")


def test_a_node_at_a_port(tmp_path: Path) -> None:
    """It is spoken to like a real one, and keeps what it is told, also when new firmware is built."""
    port = tmp_path / "ttyNODE"
    with running(tmp_path, "--port", port):
        [info] = edgeagent("node", "info", "--port", port, "--json").json
        assert (info["board"], info["serial_number"]) == ("ast1030", 0)
        assert edgeagent("node", "config", "serial_number=77", "--port", port).code == 0
        second = edgeagent("rig", "node", "--state-dir", tmp_path / "node").mistake
        assert "another node runs with it" in second
    (tmp_path / "node/ast1030-flash.made-from").write_text("an older image")
    with running(tmp_path, "--port", port):
        [info] = edgeagent("node", "info", "--port", port, "--json").json
        assert info["serial_number"] == 77


def test_killed_it_takes_its_board_with_it(tmp_path: Path) -> None:
    with running(tmp_path, "--board", "mps2") as node:
        below = grandchildren(node.pid)
        node.kill()
        wait_until(lambda: not any(map(alive, below)), "QEMU has ended")


def test_a_port_that_is_not_free(tmp_path: Path) -> None:
    """What somebody else has there is still there afterwards, and nothing else."""

    def refused(port: Path) -> str:
        return edgeagent(
            "rig", "node", "--board", "mps2", "--state-dir", tmp_path / "second", "--port", port
        ).mistake

    port = tmp_path / "port"
    with running(tmp_path, "--board", "mps2", "--port", port):
        target = port.readlink()
        assert "another rig's port is there" in refused(port)
        assert port.readlink() == target
    file, directory = tmp_path / "file", tmp_path / "directory"
    file.write_text("mine")
    directory.mkdir()
    before = sorted(tmp_path.iterdir())
    assert "a file is there" in refused(file)
    assert "a directory is there" in refused(directory)
    assert "no such file or directory" in refused(tmp_path / "none/port")
    assert file.read_text() == "mine"
    assert sorted(tmp_path.iterdir()) == before


def test_the_loop_with_a_node_in_a_twin(tmp_path: Path) -> None:
    result = edgeagent("up", "--twin", "--state-dir", tmp_path / "state", "--for", "4", timeout_s=60)
    assert result.code == 0, result
    assert f"{tmp_path}/state/ttyNODE, emulated, in a server of the twin" in result.out
    assert "reading host, rig" in result.out
    values = stored(tmp_path / "state", "rig")
    assert 50 < values["power", "in"] < 500
    assert values["energy", "in"] > 0
    assert 10 < values["temperature", "inlet"] < 40
    assert values["state", "relay1"] == 1.0


def test_the_command_for_setpoints_that_up_prints(tmp_path: Path) -> None:
    """It works as it stands, wherever one is; with its configuration so do those of README.md."""
    with up(tmp_path, "--rig") as loop:
        [line] = re.findall(r"^setpoints +edgeagent (.*)$", loop.log.read_text(), re.MULTILINE)
        asked = edgeagent(*shlex.split(line), cwd=tmp_path)
        assert asked.code == 0 and "power_limit" in asked.out, asked
        more = {"EDGEAGENT_CONFIG": shlex.split(line)[-1]}
        for words in ("set rig power_limit 250 --lease 60", "release rig power_limit"):
            done = edgeagent("cap", *words.split(), cwd=tmp_path, more=more)
            assert done.code == 0, done


def test_up_leaves_a_file_at_its_nodes_port_alone(tmp_path: Path) -> None:
    (tmp_path / "ttyNODE").write_text("mine")
    said = edgeagent("up", "--rig", "--state-dir", tmp_path, "--for", "1").mistake
    assert said.startswith(f"edgeagent: the node ended (exit code 1): {tmp_path}/ttyNODE: a file is there")
    assert (tmp_path / "ttyNODE").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--without", "ari"), "ast1030 has no chip 'ari'; did you mean 'air'?"),
        (("--board", "ast2600"), "unknown board 'ast2600'; "),
        (
            ("--firmware", "{home}"),
            "{home}/ast1030/flash.img: the firmware is not built; run `make firmware`",
        ),
        (("--state-dir", "/proc/none"), "/proc/none: no such file or directory; give another --state-dir"),
    ],
)
def test_what_is_missing(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    given = [argument.format(home=tmp_path) for argument in arguments]
    line = edgeagent("rig", "node", "--state-dir", tmp_path / "node", *given).mistake
    assert line.startswith(f"edgeagent: {words.format(home=tmp_path)}")


def test_without_qemu(tmp_path: Path) -> None:
    line = edgeagent(
        "rig", "node", "--state-dir", tmp_path, more={"PATH": str(tmp_path)}, timeout_s=30
    ).mistake
    assert line == "edgeagent: qemu-system-arm is not installed: apt-get install qemu-system-arm"


def test_the_firmware_is_built() -> None:
    """`make test` builds it first; without, the tests above would prove nothing."""
    assert (FIRMWARE / "ast1030/flash.img").exists(), "run `make firmware`"


def rigs_tests(home: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The rig's tests on the node that runs in `home`, which they take for a board on a bench."""
    bench = (ROOT / "hil/env-board.yaml").read_text().replace("/dev/ttyUSB0", f"{home}/node/port")
    (home / "env-bench.yaml").write_text(bench)
    line = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *map(str, arguments)]
    line += ["--lg-env", str(home / "env-bench.yaml")]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=100)


def test_the_rigs_tests_on_a_serial_port(tmp_path: Path) -> None:
    """A board on a bench is a port and no more: the same tests run there, and say what a bench lacks."""
    files = [f"hil/tests/test_{name}.py" for name in ("conformance", "sensing")]
    with running(tmp_path) as node:
        done = rigs_tests(tmp_path, *files)
        assert node.running
    assert done.returncode == 0, done.stdout
    skipped = re.findall(r"^SKIPPED \[\d+\] \S+ (.*)$", done.stdout, re.MULTILINE)
    assert set(skipped) == {
        "the environment file names no instrument that acts on the node's sensors",
        "only an emulated board lets the rig reach into it",
    }
    assert int(re.findall(r"(\d+) passed", done.stdout)[0]) > 80


#: A test that leaves everything behind that a test could.
_UNTIDY = """
from edgeagent_sdk.nodemap import CALIBRATION, CONFIG, KEY_CONFIG
from hil.tests.settings import ELSEWHERE

def test_untidy(registers):
    registers.configure(CALIBRATION, power_in_gain=1, temperature_board_offset=0)
    registers.configure(CONFIG, serial_number=1, safe_fan1=0, safe_relay2=0, shed_delay_ms=1)
    registers.unlock(KEY_CONFIG)
    registers.write(CONFIG, slave_id=ELSEWHERE)
    registers.master.slave = ELSEWHERE
    assert registers.read(CONFIG)["serial_number"] == 2, "changed and failed"
"""


def test_a_boards_settings_are_its_owners(tmp_path: Path) -> None:
    """The rig's tests write to a board, and leave it as they found it, also when they fail."""
    (tmp_path / "test_untidy.py").write_text(_UNTIDY)
    with running(tmp_path):
        with Registers.at(tmp_path / "node/port") as registers:
            registers.configure(CONFIG, serial_number=77, safe_fan1=8_000, safe_relay2=1)
            registers.configure(CALIBRATION, temperature_board_offset=-250)
            before = Settings.of(registers)
        done = rigs_tests(
            tmp_path, "-c", "pyproject.toml", "-p", "hil.tests.conftest", tmp_path / "test_untidy.py"
        )
        assert "changed and failed" in done.stdout
        with Registers.at(tmp_path / "node/port") as registers:
            assert Settings.of(registers) == before
            assert registers.telemetry("unlocked") == 0
