"""`edgeagent rig dvfs`, without the group that it belongs to."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
import typer
from typer.testing import CliRunner

from edgeagent_hil.dvfs.cli import dvfs

_APP = typer.Typer()
_APP.command()(dvfs)

_HERE = "tests.unit.hil.dvfs.governors"
_SHORT = "--for=70"
_FAST, _SLOW = f"--governor={_HERE}:Fixed", f"--governor={_HERE}:lowest"


def _dvfs(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(_APP, list(arguments))
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(autouse=True)
def without_the_clairvoyant(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes longer than all the rest."""
    monkeypatch.setattr("edgeagent_hil.dvfs.contestants.ALL_KNOWING", {})


def test_a_table_for_each_case() -> None:
    code, out, _ = _dvfs(_FAST, _SLOW, _SHORT, "--workload=periodic", "--workload=two")
    assert code == 0
    assert "rk3399, periodic: A camera" in out and "rk3399, two: " in out
    assert "requests: made up (no --data)" in out
    for column in (
        "governor",
        "J per unit",
        "of limit",
        "misses %",
        "s over limit",
        "s over cap",
        "switches",
    ):
        assert column in out


def test_json_has_all_figures_and_repeats_itself() -> None:
    def once() -> list[dict[str, object]]:
        code, out, _ = _dvfs(_FAST, _SLOW, _SHORT, "--json")
        assert code == 0
        rows: list[dict[str, object]] = json.loads(out)
        for row in rows:
            assert row.pop("decide_p99_s")
        return rows

    rows = once()
    assert rows == once()
    fast, slow = rows
    assert (fast["board"], fast["workload"], fast["governor"]) == ("rk3399", "periodic", f"{_HERE}:Fixed")
    assert fast["misses"] == 0.0 and slow["misses"] == 1.0
    assert fast["units"] == 300


@pytest.mark.parametrize("workloads", [["periodic"], ["periodic", "cap"]])
def test_a_picture_is_well_formed_and_shows_everybody(tmp_path: Path, workloads: list[str]) -> None:
    path = tmp_path / "dvfs.svg"
    chosen = [f"--workload={name}" for name in workloads]
    code, _, _ = _dvfs(_FAST, _SLOW, _SHORT, f"--plot={path}", *chosen)
    assert code == 0
    words = " ".join(ElementTree.fromstring(path.read_text()).itertext())
    assert "lowest" in words and "Fixed" in words


def test_the_list_names_boards_workloads_and_governors() -> None:
    _, out, _ = _dvfs("--list", "--json")
    names = {(row["kind"], row["name"]) for row in json.loads(out)}
    assert {("board", "rk3399"), ("workload", "dust")} <= names


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--board=rk3398"], "unknown board 'rk3398'; did you mean 'rk3399'"),
        (["--board=/no/such.toml"], "no such file: /no/such.toml"),
        (["--board=nope"], "unknown board 'nope'; known: "),
        (["--board=boards/mine"], "'boards/mine': the file of a board ends in .toml; known: "),
        (["--board=/dev/null"], "'/dev/null': the file of a board ends in .toml"),
        (["--silent=foo:1-2"], "--silent: no sensor 'foo' on rk3399; known: power, little, big, gpu"),
        (["--workload=perodic"], "unknown workload 'perodic'; did you mean 'periodic'"),
        (["--governor=ondemnd"], "unknown governor 'ondemnd'"),
        (["--governor=no.such:thing"], "governor 'no.such:thing': No module named 'no'"),
        ([f"--governor={_HERE}:nobody"], "has no attribute 'nobody'"),
        ([f"--governor={_HERE}:broken"], "broken' on 'rk3399', 'periodic': ZeroDivisionError: by design"),
        (["--silent=power"], "--silent power: not SENSOR:FROM-TO"),
        (["--silent=power:20-10"], "e.g. power:120-180"),
        (["--plot=a.png"], "--plot a.png: it draws .svg files only"),
        (["--plot=/no/such/a.svg"], "no such directory: /no/such"),
        ([_FAST, "--workload=bursty", "--data=/no/such"], "/no/such/llm_requests"),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], said: str) -> None:
    code, out, err = _dvfs(*arguments, _SHORT)
    assert code == 1
    assert said in err and err.count("\n") == 1 and not out


def test_too_short_a_time_is_refused() -> None:
    assert _dvfs("--for=60")[0] == 2
