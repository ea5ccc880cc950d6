"""`edgeagent rig twin`, without the group that it belongs to."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from edgeagent_hil.twin.cli import twin

_APP = typer.Typer()
_APP.command()(twin)


def _twin(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(_APP, list(arguments))
    return result.exit_code, result.stdout, result.stderr


def test_it_runs_in_virtual_time_and_prints_what_came_of_it() -> None:
    code, out, _ = _twin("--servers=30", "--for=120", "--seed=7", "--json")
    assert code == 0
    (figures,) = json.loads(out)
    assert figures["time_s"] == pytest.approx(120, abs=1)
    assert 30 * 0.058 < figures["it_kw"] < 30 * 0.225
    assert 1.05 < figures["pue"] < 1.4
    assert figures["main_breaker"] == "closed"
    assert _twin("--servers=30", "--for=120", "--seed=7", "--json")[1] == out
    assert _twin("--servers=30", "--for=120", "--seed=8", "--json")[1] != out


def test_the_table_is_for_people() -> None:
    _, out, _ = _twin("--servers=2", "--for=10", "--kind=rk3399")
    assert "grid kw" in out.replace("_", " ") and "main_breaker" in out


def test_the_tree_is_left_behind(tmp_path: Path) -> None:
    code, _, _ = _twin("--servers=1", "--for=20", "--speed=0", f"--sysfs={tmp_path}")
    assert code == 0
    energy = tmp_path / "sys/class/powercap/intel-rapl:0/energy_uj"
    assert int(energy.read_text()) > 20 * 10e6


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--kind=x3550m4"], "unknown kind of server 'x3550m4'; did you mean 'x3550m3'"),
        (["--kind=/no/such.toml"], "no such file: /no/such.toml"),
        (["--meter=nowhere"], "--meter 'nowhere': not HOST:PORT"),
        (["--meter=127.0.0.1:x"], "not HOST:PORT"),
        (["--sysfs=/proc/twin"], "/proc/twin"),
    ],
)
def test_bad_input_is_told_in_one_line(arguments: list[str], said: str) -> None:
    code, out, err = _twin("--for=1", *arguments)
    assert code == 1
    assert said in err
    assert err.count("\n") == 1 and not out


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("127.0.0.1", "address already in use"),
        ("192.0.2.1", "cannot assign requested address"),  # RFC 5737: nobody's
        ("a..b", "encoding .*label.*"),
        ("no.invalid", "name or service not known|temporary failure in name resolution"),
    ],
)
def test_why_a_meter_cannot_listen_is_told_in_one_line(host: str, why: str) -> None:
    """In a process of its own: a library that says something behind our back is heard as well."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"{host}:{taken.getsockname()[1]}"
        line = [sys.executable, "-m", "edgeagent", "rig", "twin", "--for=1", f"--meter={address}"]
        done = subprocess.run(line, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    told = f"edgeagent: the meter cannot listen on {address}: ({why}); give another HOST:PORT\n"
    assert re.fullmatch(told, done.stderr)


@pytest.mark.parametrize("argument", ["--servers=0", "--load=2", "--for=0", "--speed=-1", "--seed=-1"])
def test_values_out_of_range_are_usage_errors(argument: str) -> None:
    assert _twin(argument)[0] == 2
