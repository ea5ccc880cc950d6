"""`edgeagent node`, against a model node on a serial line."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgeagent_sdk.nodemap import Source
from tests.integration.cli import Result, command, edgeagent, environment
from tests.modelnode import ModelNode
from tests.serialline import SerialLine, serial_line
from tests.services import wait_until


@pytest.fixture
def model() -> ModelNode:
    return ModelNode()


@pytest.fixture
def line(tmp_path: Path, model: ModelNode) -> Iterator[SerialLine]:
    with serial_line(tmp_path / "tty", model.answer) as made:
        yield made


def node(line: SerialLine, *arguments: str) -> Result:
    return edgeagent("node", *arguments, "--port", line.path)


def test_info_tells_who_it_is_and_what_happened(line: SerialLine) -> None:
    (info,) = node(line, "info", "--json").json
    assert (info["product"], info["serial_number"], info["board"]) == ("model node", 7, "ast1030")
    assert [event["message"] for event in info["events"]] == ["the node began: watchdog"]
    shown = node(line, "info")
    assert shown.code == 0 and "model node" in shown.out and "the node began" in shown.out


def test_read_gives_the_drivers_channels(line: SerialLine, model: ModelNode) -> None:
    model.values["telemetry"]["valid"] = 0b10
    rows = {(row["quantity"], row["channel"]): row for row in node(line, "read", "--json").json}
    assert rows["temperature", "inlet"]["value"] == 2.0
    assert rows["temperature", "board"]["fault"] == "the TMP105 does not answer"
    assert rows["state", "relay1"]["value"] == 1.0


def test_set_holds_until_the_lease_ends(line: SerialLine, model: ModelNode) -> None:
    seen: set[tuple[Source, int]] = set()
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.05):
            seen.add(model.output("relay1")[:2])

    watcher = threading.Thread(target=look)
    watcher.start()
    result = node(line, "set", "relay1", "0", "--lease", "1.5", "--json")
    done.set()
    watcher.join()
    assert [(row["value"], row["by"]) for row in result.json] == [(0.0, "its lease"), (1.0, "its safe state")]
    assert (Source.LEASE, 0) in seen
    assert model.output("relay1")[0] is Source.SAFE


@pytest.mark.parametrize(("number", "released_s"), [(signal.SIGINT, 2.0), (signal.SIGKILL, 6.0)])
def test_set_lets_go_however_it_ends(
    line: SerialLine, model: ModelNode, number: signal.Signals, released_s: float
) -> None:
    arguments = command("node", "set", "fan1", "0.25", "--lease", "60", "--port", line.path)
    with subprocess.Popen(arguments, env=environment(), stdout=subprocess.DEVNULL) as process:
        wait_until(lambda: model.output("fan1")[:2] == (Source.LEASE, 2500), "it holds")
        assert model.output("fan1")[2] <= 4000, "the node itself is never told to hold for long"
        process.send_signal(number)
        process.wait()
    wait_until(lambda: model.output("fan1")[0] is Source.SAFE, "it lets go", released_s + 10)


def test_config_is_kept_and_read_back(line: SerialLine, model: ModelNode) -> None:
    rows = {row["setting"]: row["value"] for row in node(line, "config", "safe_relay1=2", "--json").json}
    assert rows["safe_relay1"] == model.values["config"]["safe_relay1"] == 2
    assert model.level == 0, "it is locked again"
    assert "safe_relay1" in node(line, "config").out


def test_a_new_address_holds_at_once(line: SerialLine, model: ModelNode) -> None:
    assert node(line, "config", "slave_id=17").code == 0
    assert "unit 1 does not answer" in node(line, "info").mistake
    assert node(line, "info", "--slave-id", "17").code == 0


@pytest.mark.parametrize(
    ("before", "arguments", "gain", "offset"),
    [
        ((0, 0), ["--point", "20:21"], 0.0, 1.0),
        ((0, 0), ["--point", "20:21", "--point", "60:60"], -0.025, 1.5),
        ((10_000, 500), ["--point", "20:21", "--point", "60:60"], -0.01525, 1.9875),
        ((0, 0), ["--point", "10:11", "--point", "20:20", "--point", "30:31"], 0.0, 0.666667),
        ((10_000, 500), ["--gain", "0.002"], 0.002, 0.5),
        ((10_000, 500), ["--gain", "0", "--offset", "-0.25"], 0.0, -0.25),
    ],
)
def test_calibrate(
    line: SerialLine,
    model: ModelNode,
    before: tuple[int, int],
    arguments: list[str],
    gain: float,
    offset: float,
) -> None:
    """Points are of what the node shows, so they come on top of what it corrects already."""
    names = ("temperature_inlet_gain", "temperature_inlet_offset")
    model.values["calibration"] |= dict(zip(names, before, strict=True))
    (row,) = node(line, "calibrate", "temperature/inlet", *arguments, "--json").json
    assert row["gain"] == pytest.approx(gain, abs=1e-6)
    assert row["offset"] == pytest.approx(offset, abs=1e-3)


def test_calibrate_shows_all(line: SerialLine) -> None:
    assert len(node(line, "calibrate", "--json").json) == 10


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["set", "relay1", "2"], "relay1: 2 is outside 0 to 1"),
        (["set", "relay", "1"], "no output 'relay'; did you mean 'relay2'?"),
        (["set", "relay1", "1", "--lease", "0"], "must be a time above 0 s"),
        (["set", "relay1", "1", "--lease", "nan"], "must be a time above 0 s"),
        (
            ["set", "relay1", "1", "--lease", "1e300"],
            "--lease 1e+300: must be a time above 0 s, and 3600 s at",
        ),
        (["config", "guard_temperture=80"], "did you mean 'guard_temperature'?"),
        (["config", "guard_temperature=hot"], "write guard_temperature=<whole number>"),
        (["config", "guard_temperature=151"], "151 is outside -40 to 150"),
        (["calibrate", "temperature/inlet", "--point", "20"], "write <shown>:<true>"),
        (["calibrate", "temperature/inlet", "--point", "1:2", "--gain", "1"], "not both"),
        (["calibrate", "--gain", "0.1"], "name the channel"),
        (["calibrate", "temperature/in"], "did you mean 'temperature/inlet'?"),
        (["calibrate", "power/in", "--point", "1:2", "--point", "1:3"], "take them far apart"),
        (["calibrate", "power/in", "--gain", "nan"], "must be a finite number"),
        (["calibrate", "power/in", "--gain", "3"], "gain: 3 is outside -0.5 to 0.5"),
        (["calibrate", "power/in", "--offset", "1e300"], "offset: 1e+300 is outside -1000 to 1000 W"),
        (["calibrate", "speed/fan1", "--offset", "-2e6"], "offset: -2e+06 is outside -1e+06 to 1e+06 {rpm}"),
        (["info", "--slave-id", "9"], "unit 9 does not answer: silence for 200 ms"),
        (
            ["info", "--slave-id", "9"],
            "does it not wait in its boot loader for an image (`edgeagent node flash`)",
        ),
    ],
)
def test_mistakes_are_told_in_one_line(line: SerialLine, arguments: list[str], why: str) -> None:
    assert why in node(line, *arguments).mistake


@pytest.mark.parametrize("rate", ["0", "5000000"])
def test_a_rate_that_no_port_has_is_refused_at_once(line: SerialLine, rate: str) -> None:
    refused = node(line, "info", "--baud", rate)
    assert refused.code == 2 and "'--baud'" in refused.err


def test_mistakes_about_the_port(tmp_path: Path, line: SerialLine) -> None:
    assert "nowhere: is not there" in edgeagent("node", "info", "--port", tmp_path / "nowhere").mistake
    assert "no USB serial adapter with a node" in edgeagent("node", "info").mistake
    arguments: list[Any] = command("node", "set", "relay1", "0", "--port", line.path)
    with subprocess.Popen(arguments, env=environment(), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and b"relay1 is 0" in process.stdout.readline()
        mistake = node(line, "info").mistake
        assert f"tty: in use by edgeagent (pid {process.pid})" in mistake and "`edgeagent cap`" in mistake
        process.send_signal(signal.SIGINT)


def test_watch_goes_on_until_ctrl_c(line: SerialLine, model: ModelNode) -> None:
    arguments = command("node", "read", "--watch", "0.1", "--port", line.path)
    with subprocess.Popen(
        arguments, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as p:
        count = model.requests
        wait_until(lambda: model.requests > count + 5, "it reads on")
        p.send_signal(signal.SIGINT)
        assert p.wait(10) == 130
        assert p.stderr is not None and p.stderr.read() == b""
    time.sleep(0.1)
    assert node(line, "info").code == 0, "the port is free"
