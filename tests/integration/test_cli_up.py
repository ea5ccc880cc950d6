"""`edgeagent up`: the whole loop on this machine, and nothing left behind."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import socket
import sqlite3
import struct
import subprocess
import termios
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tests.services import Service, influxd, mosquitto, spawn, wait_until

from .cli import command, edgeagent, environment


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in listed.split()]


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@contextmanager
def running(home: Path, *arguments: str) -> Iterator[Service]:
    """`edgeagent up`, showing readings."""
    home.mkdir(exist_ok=True)
    line = command("up", "--state-dir", home / "state", *arguments)
    with spawn(line, home, name="up", environment=environment()) as up:
        wait_until(lambda: "readings stored" in up.log.read_text(), "readings arrive", 30)
        yield up


def http_url(up: Service) -> str:
    """Where the aggregator serves."""
    line = next(line for line in up.log.read_text().splitlines() if line.startswith("aggregator"))
    return line.split()[1].rstrip(",")


def test_readings_of_this_machine_reach_the_store(tmp_path: Path) -> None:
    begun = time.monotonic()
    result = edgeagent("up", "--state-dir", tmp_path / "state", "--for", "4", timeout_s=60)
    assert result.code == 0, result
    assert time.monotonic() - begun < 30
    assert "Traceback" not in result.out + result.err
    lines = result.out.splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["broker", "aggregator", "agent", "logs"]
    assert lines[-1] == "stopping"
    stored = int(lines[-2].partition(": ")[2].split()[0].replace(",", ""))
    with sqlite3.connect(f"file:{tmp_path}/state/store.db?mode=ro", uri=True) as store:
        points = store.execute("SELECT count(*) FROM point").fetchone()[0]
    assert points >= stored > 50
    [row] = edgeagent("outbox", "--state-dir", tmp_path / "state/agent", "--json").json
    assert row["readings"] == row["unsealed"] == 0, "a clean stop leaves nothing behind"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything(tmp_path: Path, number: int) -> None:
    with running(tmp_path) as up:
        pids = children(up.pid)
        assert len(pids) == 3
        begun = time.monotonic()
        up.signal(number)
        assert up.stop() == 0
        assert time.monotonic() - begun < 15
    assert not any(map(alive, pids))
    assert "killed" not in up.log.read_text()
    assert "Traceback" not in "".join(log.read_text() for log in (tmp_path / "state").glob("*.log"))


def test_signals_that_come_again_and_again_cut_nothing_short(tmp_path: Path) -> None:
    """Service managers and people send more than one, at the start, in the middle and at the end."""
    (tmp_path / "log").mkdir()
    line = command("up", "--state-dir", tmp_path / "state")
    with spawn(line, tmp_path / "log", name="up", environment=environment()) as up:
        wait_until(lambda: (tmp_path / "state/broker.log").exists(), "its first child starts", 30)
        pids: set[int] = set()
        while up.running:
            with suppress(OSError):
                pids |= set(children(up.pid))
            up.signal(signal.SIGTERM)
            time.sleep(0.01)
        assert up.stop() == 0
    assert pids and not any(map(alive, pids))
    said = up.log.read_text()
    assert said.endswith("stopping\n") and "killed" not in said


def test_killed_it_leaves_nothing_behind(tmp_path: Path) -> None:
    with running(tmp_path) as up:
        pids = children(up.pid)
        up.kill()
        wait_until(lambda: not any(map(alive, pids)), "its children have ended", 10)


def test_a_child_that_dies_ends_it_with_a_word(tmp_path: Path) -> None:
    with running(tmp_path) as up:
        pids = children(up.pid)
        broker, _aggregator, agent = pids
        os.kill(agent, signal.SIGKILL)
        wait_until(lambda: not up.running, "it ends", 20)
        assert up.proc is not None and up.proc.returncode == 1
        assert alive(broker) is False
    assert "edgeagent: the agent ended (by SIGKILL): " in up.log.read_text()


def test_two_at_once(tmp_path: Path) -> None:
    """A second one finds other ports; with the same directory it is refused."""
    with running(tmp_path / "one") as one:
        again = edgeagent("up", "--state-dir", tmp_path / "one/state", "--for", "1").mistake
        assert "another `edgeagent up` runs with it" in again
        with running(tmp_path / "two") as two:
            assert http_url(one) != http_url(two)


def test_two_started_together(tmp_path: Path) -> None:
    """Neither takes the other's broker or aggregator for its own, whoever binds a port first."""
    homes = [tmp_path / name for name in "ab"]
    for home in homes:
        home.mkdir()
    with ExitStack() as stack:
        ups = [
            stack.enter_context(
                spawn(
                    command("up", "--state-dir", home, "--for", "4"),
                    home,
                    name="up",
                    environment=environment(),
                )
            )
            for home in homes
        ]
        for up in ups:
            wait_until(lambda up=up: not up.running, "it ends", 60)  # type: ignore[misc]
            assert up.proc is not None and up.proc.returncode == 0, up.log.read_text()
        assert http_url(ups[0]) != http_url(ups[1])


def test_top_shows_what_up_runs(tmp_path: Path) -> None:
    with running(tmp_path) as up:
        url = http_url(up)
        top = ("top", "--url", url, "--json")
        wait_until(
            lambda: len({row["device"] for row in edgeagent(*top).json[0]["latest"]}) == 2, "both devices"
        )
        [node] = edgeagent(*top).json
        assert (node["site"], node["status"], node["gaps"]) == ("lab", "online", 0)
        assert node["age_s"] < 10
        assert {"agent", "host"} == {row["device"] for row in node["latest"]}
        table = edgeagent("top", "--url", url, "--once").out
        assert f"lab/{node['node']}" in table and "online" in table
        with spawn(command("top", "--url", url), tmp_path, name="top", environment=environment()) as live:
            wait_until(lambda: "readings stored" in live.log.read_text(), "lines come")
            live.signal(signal.SIGINT)
            wait_until(lambda: not live.running, "it ends")
            assert live.stop() == 0
        with urllib.request.urlopen(f"{url}/v1/nodes") as answer:
            assert len(json.load(answer)) == 1


def test_the_screen_on_a_terminal(tmp_path: Path) -> None:
    """On a terminal the live view is drawn, q ends it, and the terminal is as it was."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    before = termios.tcgetattr(theirs)
    process = subprocess.Popen(
        command("up", "--state-dir", tmp_path / "state"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env=environment({"TERM": "xterm-256color"}),
    )
    seen = b""
    deadline = time.monotonic() + 40
    try:
        while process.poll() is None and time.monotonic() < deadline:
            if select.select([ours], [], [], 0.2)[0]:
                seen += os.read(ours, 65536)
            if b"q ends" in seen and b"utilization" in seen:
                os.write(ours, b"q")
        assert process.wait(15) == 0
    finally:
        process.kill()
        process.wait()
    text = seen.decode("utf-8", "replace")
    for word in ("edgeagent up", "online", "outbox", "utilization"):
        assert word in text
    assert termios.tcgetattr(theirs) == before
    os.close(ours)
    os.close(theirs)


def test_with_servers_of_ones_own(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker, influxd(tmp_path) as store:
        more = {"BROKER": broker.url, "INFLUX_URL": store.url}
        result = edgeagent("up", "--state-dir", tmp_path / "state", "--for", "3", more=more, timeout_s=60)
        assert result.code == 0, result
        assert result.out.startswith(f"broker      {broker.url}\n")
        assert f"storing in {store.url}" in result.out
        names = {row["name"] for row in store.query("SHOW DATABASES")}
        assert "edgeagent" in names
    assert not (tmp_path / "state/store.db").exists()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            {"BROKER": "mqtt://127.0.0.1:1"},
            "broker 127.0.0.1:1: nothing listens there; start the broker or check broker.url",
        ),
        (
            {"BROKER": "http://127.0.0.1:1"},
            "broker.url 'http://127.0.0.1:1': write mqtt://host[:port] or mqtts://host[:port]",
        ),
        ({"INFLUX_URL": "http://127.0.0.1:1"}, "the aggregator "),
    ],
)
def test_servers_that_are_not_there(tmp_path: Path, more: dict[str, str], words: str) -> None:
    line = edgeagent("up", "--state-dir", tmp_path / "state", "--for", "3", more=more, timeout_s=60).mistake
    assert line.startswith(f"edgeagent: {words}")


def test_a_directory_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    line = edgeagent("up", "--state-dir", tmp_path / "file", "--for", "1").mistake
    assert line == f"edgeagent: {tmp_path}/file: file exists; give another --state-dir"


def test_a_taken_port_is_no_hindrance(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 8700))
            taken.listen()
        except OSError:
            pass  # somebody else has it: as good
        with running(tmp_path) as up:
            assert not http_url(up).endswith(":8700")
