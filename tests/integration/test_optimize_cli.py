"""`edgeagent optimize` and `edgeagent topology`: every mistake is one clear line, and imports stay light."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.cli import edgeagent
from tests.services import free_port

_SITE = """
site = "lab"
[[domain]]
name = "root"
limit_kw = 0.5
[[domain]]
name = "pdu"
parent = "root"
limit_kw = 0.6
[[server]]
name = "n[1-3]"
domain = "pdu"
[[server.component]]
name = "cpu"
cap = "cpu/limit"
power = "cpu/package-0"
min_w = 70
max_w = 200
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    file = tmp_path / "site.toml"
    file.write_text(_SITE)
    return file


def test_the_tree_is_drawn_checked_and_given_as_json(site: Path) -> None:
    drawn = edgeagent("topology", "show", site)
    assert drawn.code == 0 and "oversubscribed 1.20 times" in drawn.out and "└── pdu" in drawn.out
    rows = edgeagent("topology", "show", site, "--json").json
    assert [row["domain"] for row in rows] == ["root", "pdu"] and rows[1]["floor_w"] == 210
    assert "2 domains, 3 servers, 3 leaves" in edgeagent("topology", "check", site).out


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('parent = "root"', 'parent = "pdu"', "its parents go round in a circle"),
        ('parent = "root"', 'parent = "roof"', "no domain 'roof'; did you mean 'root'?"),
        ("limit_kw = 0.5", "limit_kw = 0.2", "at least 0.21 kW, and it may carry 0.2 kW"),
        ('cap = "cpu/limit"', 'cap = "limit"', "component cpu, cap: 'limit' is not device/actuator"),
        ('power = "cpu/package-0"', 'power = ""', "component cpu, power: '' is not device/channel"),
        ("min_w = 70", "min_w = -70", "must be a number ≥ 0, not -70"),
        ("min_w = 70", "mni_w = 70", "unknown key; did you mean 'min_w'?"),
    ],
)
def test_a_mistake_in_the_topology_is_told_by_check_and_by_the_service(
    site: Path, old: str, new: str, said: str
) -> None:
    site.write_text(_SITE.replace(old, new, 1))
    for result in (
        edgeagent("topology", "check", site),
        edgeagent("optimize", "power", "--topology", site, "--state-dir", site.parent),
    ):
        assert result.code != 0 and said in result.err, result
        assert "Traceback" not in result.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--topology site.toml is missing"),
        (["--topology", "none.toml"], "none.toml: cannot be read: no such file"),
        (
            ["--topology", "{site}", "--aggregator", "nowhere"],
            "--aggregator 'nowhere': write http://host:port",
        ),
        (["--topology", "{site}", "--broker", "tcp://x"], "--broker 'tcp://x': write mqtt://host[:port]"),
        (
            ["--topology", "{site}", "--broker", "mqtt://127.0.0.1:1"],
            "broker 127.0.0.1:1: nothing listens there; start the broker or check --broker",
        ),
        (["--topology", "{site}", "--state-dir", "/proc/none"], "--state-dir /proc/none: "),
    ],
)
def test_a_mistake_of_the_command_line_is_one_line(site: Path, arguments: list[str], said: str) -> None:
    given = [argument.format(site=site) for argument in arguments]
    if "--state-dir" not in given:
        given += ["--state-dir", str(site.parent)]
    assert said in edgeagent("optimize", "power", *given).mistake


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["curtail", "--by", "a quarter"], "'a quarter' is no share; write 25%"),
        (["curtail", "--by", "150%"], "by 1.5: a share lies between 0 and 1, or 0% and 100%"),
        (["curtail"], "say either to how many watts (--to), or by which share (--by)"),
        (["curtail", "--by", "25%", "--to", "300kW"], "say either to how many watts (--to)"),
        (["curtail", "--by", "25%", "--for", "1h", "--ramp", "2h"], "ramp 7200 s: it lies between"),
        (["curtail", "--to", "300"], "'300' is no power; write 300kW"),
        (["curtail", "--by", "25%", "--for", "long"], "'long' is no time; write 90s"),
        (["curtail", "--by", "25%", "--from", "noon"], "--from 'noon': write 16:00"),
        (["orders"], "is `edgeagent optimize power` running? set --url"),
        (["orders", "--url", "nowhere"], "--url 'nowhere': write http://host:port"),
    ],
)
def test_an_order_that_cannot_be_sent_is_one_line(arguments: list[str], said: str) -> None:
    if "--url" not in arguments:
        arguments = [*arguments, "--url", f"http://127.0.0.1:{free_port()}"]
    assert said in edgeagent("optimize", *arguments).mistake


def test_the_commands_import_nothing_heavy() -> None:
    code = (
        "import sys, edgeagent_central.optimize.cli; "
        "print({'numpy', 'scipy', 'piqp', 'fastapi', 'paho', 'msgspec', 'rich.console'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    "command", ["['topology', 'show', 'site.toml']", "['optimize', 'power', '--topology', 'x']"]
)
def test_a_missing_package_is_told_with_its_remedy(tmp_path: Path, command: str) -> None:
    code = (
        "import sys; sys.modules['numpy'] = None; "
        f"sys.argv = ['edgeagent', *{command}]; "
        "from edgeagent.cli.main import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "numpy" in done.stderr and "pip install 'edgeagent[optimize]'" in done.stderr
