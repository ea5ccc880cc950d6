"""The bench's own workings: rows, targets, what is written, and the meters. No timings are judged here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench import __main__ as bench
from tests.bench import table
from tests.bench.machine import Foreign, Meter
from tests.bench.table import Bench, Figure, Target, at_least, at_most, times_peer
from tests.services import need

_KEYS = {
    "row",
    "name",
    "value",
    "unit",
    "peer",
    "peer_value",
    "ratio",
    "target",
    "met",
    "note",
    "foreign_cores",
}


@pytest.mark.parametrize(
    ("target", "value", "peer_value", "met", "text"),
    [
        (at_most(40), 40.0, None, True, "≤ 40"),
        (at_most(40), 40.1, 1.0, False, "≤ 40"),
        (at_least(250_000), 250_000.0, None, True, "≥ 250,000"),
        (at_least(250_000), 249_999.0, None, False, "≥ 250,000"),
        (times_peer(8), 80.0, 10.0, True, "≥ 8 × peer"),
        (times_peer(8), 79.0, 10.0, False, "≥ 8 × peer"),
        (times_peer(8), 1e9, None, False, "≥ 8 × peer"),
    ],
)
def test_targets(target: Target, value: float, peer_value: float | None, met: bool, text: str) -> None:
    assert target.met(value, peer_value) is met
    assert str(target) == text


def test_a_figure_is_one_object_for_each_peer() -> None:
    figure = Figure("rate", 10.0, "/s", at_least(5), {"a": 4.0, "b": 20.0}, "by hand")
    one, two = figure.objects("speed")
    assert one == {
        "row": "speed",
        "name": "rate",
        "value": 10.0,
        "unit": "/s",
        "peer": "a",
        "peer_value": 4.0,
        "ratio": 2.5,
        "target": "≥ 5",
        "met": True,
        "note": "by hand",
        "foreign_cores": None,
    }
    assert (two["peer"], two["ratio"]) == ("b", 0.5)
    (alone,) = Figure("rate", 10.0, "/s").objects("speed")
    assert alone.keys() == _KEYS
    assert alone["peer"] is alone["ratio"] is alone["target"] is alone["met"] is None


def test_the_summary_counts_and_names_what_was_missed() -> None:
    good, bad = Figure("fast", 2, "", at_least(1)), Figure("small", 2, "", at_most(1), {"a": 1, "b": 2})
    objects = [*good.objects("r"), *bad.objects("r"), *Figure("free", 1, "").objects("r")]
    assert table.summary(objects) == "1 of 2 targets met; missed: small"


@pytest.fixture
def made_up_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    def fine(given: Bench) -> Iterator[Figure]:
        """A row that gives one figure."""
        assert given.directory.is_dir()
        yield Figure("length", 2.0 * given.seconds, "m", at_most(3), {"yardstick": 1.0})

    def broken(given: Bench) -> Iterator[Figure]:
        """A row whose second figure cannot be had."""
        yield Figure("width", 1.0, "m")
        raise RuntimeError("the [ruler] broke")

    def lacking(given: Bench) -> Iterator[Figure]:
        """A row whose peer is not installed."""
        need("yardstick", "yardstick-utils")
        yield Figure("never", 0.0, "")

    rows = {function.__name__: function for function in (fine, broken, lacking)}
    monkeypatch.setattr(bench, "rows", lambda: rows)


@pytest.mark.parametrize(
    ("arguments", "code", "names", "said"),
    [
        (["fine"], 0, ["length"], "1 of 1 targets met"),
        (["fine", "--seconds", "2"], 1, ["length"], "0 of 1 targets met; missed: length"),
        (["broken"], 1, ["width"], "not measured: RuntimeError: the [ruler] broke"),
        (["lacking", "fine"], 1, ["length"], "apt-get install yardstick-utils"),
        ([], 1, ["length", "width"], "1 of 1 targets met"),
    ],
)
@pytest.mark.usefixtures("made_up_rows")
def test_a_run_prints_and_writes(
    arguments: list[str],
    code: int,
    names: list[str],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "build" / "bench.json"
    assert bench.main([*arguments, "--output", str(output)]) == code
    objects = json.loads(output.read_text("utf-8"))
    assert [entry["name"] for entry in objects] == names
    assert all(entry.keys() == _KEYS for entry in objects)
    assert all(entry["foreign_cores"] >= 0 for entry in objects if entry["name"] != "width")
    printed = " ".join(capsys.readouterr().out.split())
    assert said in printed
    assert f"{os.cpu_count()} cores; load average" in printed


@pytest.mark.usefixtures("made_up_rows")
def test_an_unknown_row_is_named_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["fin"]) == 2
    assert "unknown row 'fin'; did you mean 'fine'?" in capsys.readouterr().err


def test_every_row_says_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(table.rows()) >= 1
    assert all(line.endswith(".") and len(line.split()) > 3 for line in lines)


def test_the_encoding_row_runs_for_real(tmp_path: Path) -> None:
    output = tmp_path / "bench.json"
    bench.main(["encoding", "--seconds", "0.02", "--output", str(output)])
    (entry,) = json.loads(output.read_text("utf-8"))
    assert entry["peer_value"] > 0 and entry["value"] > 0
    assert entry["ratio"] == entry["value"] / entry["peer_value"]


def test_a_meter_sees_a_busy_process_and_not_an_idle_one() -> None:
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    idle = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        time.sleep(0.3)
        meters = Meter(busy.pid), Meter(idle.pid)
        time.sleep(1.0)
        working, resting = (meter.read() for meter in meters)
    finally:
        for process in (busy, idle):
            process.kill()
            process.wait()
    assert working.cores > 5 * resting.cores + 0.1
    assert 1e6 < resting.resident_bytes < 1e8


def test_ones_own_children_are_not_foreign() -> None:
    child = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        with Foreign() as foreign:
            meter = Meter(child.pid)
            time.sleep(1.2)
            meter.read()
    finally:
        child.kill()
        child.wait()
    assert meter.cores > 0.1
    # What others do at the same time is not ours to judge, but the child's share is not in it.
    assert foreign.cores < (os.cpu_count() or 1) - 0.8 * meter.cores
