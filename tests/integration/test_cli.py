"""The command line, as a user meets it: what it prints, and how it refuses."""

from __future__ import annotations

import os
import sqlite3
import time
import tomllib
from pathlib import Path

import pytest

from edgeagent.config import load_config
from edgeagent.outbox import Outbox

from .cli import edgeagent

COMMANDS = (
    *("up", "probe", "init", "check", "read", "run", "top", "outbox"),
    *("aggregate", "broker", "bench"),
)

MINIMAL = 'site = "lab"\n[broker]\nurl = "mqtt://127.0.0.1:1"\n'


def made_up(root: Path, files: dict[str, str]) -> Path:
    """A made-up /proc and /sys."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def chip(index: int, name: str, **files: str) -> dict[str, str]:
    return {f"sys/class/hwmon/hwmon{index}/{key}": value for key, value in {"name": name, **files}.items()}


def test_help_shows_every_command_soon() -> None:
    begun = time.monotonic()
    result = edgeagent("--help")
    took_s = time.monotonic() - begun
    assert result.code == 0
    shown = result.out.split()
    for name in COMMANDS:
        assert name in shown
    assert "Not installed" not in result.out
    assert took_s < 2.0, "measured at 0.4 s on an idle machine"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    result = edgeagent(name, "--help")
    assert result.code == 0
    assert "Usage: edgeagent" in result.out


def test_no_command_at_all_shows_the_help() -> None:
    assert "Usage: edgeagent" in "".join(edgeagent()[1:])


def test_version() -> None:
    assert edgeagent("--version").out.startswith("edgeagent")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["runn"], "No such command"),
        (["run", "--confg", "x"], "No such option"),
        (["read", "--timeout", "x"], "--timeout"),
    ],
)
def test_slips_on_the_command_line(arguments: list[str], words: str) -> None:
    result = edgeagent(*arguments)
    assert result.code == 2
    assert words in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize("command", ["check", "run", "read", "outbox"])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param(
            'site = "lab\n', "agent.toml:1: not TOML: illegal character '\\n' (column 12)", id="bad TOML"
        ),
        pytest.param(
            'site = "lab"\nsitte = 1\n', "agent.toml:2: sitte: unknown key; did you mean 'site'?", id="key"
        ),
        pytest.param(
            'site = "lab"\n[[device]]\nname = "a"\ndriver = "hwmno"\n',
            "agent.toml:4: device[0].driver: unknown driver 'hwmno'; did you mean 'hwmon'?",
            id="driver",
        ),
        pytest.param(
            'site = "Lab"\n',
            "agent.toml:1: site: site 'Lab': a name has 1 to 63 characters out of a-z 0-9 _ . - "
            "and starts with a letter or a digit; 'lab' would do",
            id="name",
        ),
    ],
)
def test_a_bad_configuration_is_one_line(tmp_path: Path, command: str, text: str, words: str) -> None:
    (tmp_path / "agent.toml").write_text(text)
    line = edgeagent(command, "--config", "agent.toml", cwd=tmp_path).mistake
    assert line.removeprefix("edgeagent: ") == words


@pytest.mark.parametrize("command", ["check", "run", "read", "outbox"])
def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path, command: str) -> None:
    missing = edgeagent(command, "--config", "agent.toml", cwd=tmp_path).mistake
    assert missing.endswith("agent.toml: cannot be read: no such file or directory")
    directory = edgeagent(command, "--config", tmp_path).mistake
    assert directory.endswith(f"{tmp_path}: cannot be read: is a directory")
    (tmp_path / "agent.toml").write_bytes(b'site = "\xff"\n')
    binary = edgeagent(command, cwd=tmp_path).mistake
    assert binary.endswith("agent.toml: is not UTF-8 text (byte 8)")


def test_the_configuration_is_found(tmp_path: Path) -> None:
    nothing = edgeagent("run", cwd=tmp_path).mistake
    assert nothing.startswith("edgeagent: no configuration: there is no agent.toml")
    (tmp_path / "agent.toml").write_text("here = 1\n")
    (tmp_path / "other.toml").write_text("there = 1\n")
    assert "here" in edgeagent("check", cwd=tmp_path).err
    named = {"EDGEAGENT_CONFIG": str(tmp_path / "other.toml")}
    assert "there" in edgeagent("check", cwd=tmp_path, more=named).err
    assert "here" in edgeagent("check", "-c", "agent.toml", cwd=tmp_path, more=named).err
    assert "there" in edgeagent("check", "other.toml", cwd=tmp_path).err


def test_check_prints_every_problem(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_text('site = "lab"\nx = 1\n[outbox]\nwindow = 0\n')
    result = edgeagent("check", path)
    assert result.code == 1
    assert result.err.splitlines() == [
        f"{path}:2: x: unknown key; "
        "known: site, node, prefix, state_dir, host_root, broker, outbox, agent, hints, device, guard",
        f"{path}:4: outbox.window: must be a whole number ≥ 1 and ≤ 1000, not 0",
    ]
    rows = edgeagent("check", path, "--json").json
    assert [(row["line"], row["key"], row["severity"]) for row in rows] == [
        (2, "x", "error"),
        (4, "outbox.window", "error"),
    ]


def test_check_tells_file_line_device_and_column_of_a_mistaken_expression(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_text(
        f'''site = "lab"
state_dir = "{tmp_path}"
[[device]]
name = "host"
driver = "host"
[[device]]
name = "rack"
driver = "virtual"
[device.channels]
"utilization/mean" = "mean({{host/utilization/*}})"
"power/it" = "2 * {{hosst/power/in}}"
"power/heat" = "1 [W] + {{host/temperature/in}}"
'''
    )
    result = edgeagent("check", path)
    first, second, *_ = result.err.splitlines()
    assert result.code == 1
    assert first == (
        f"{path}:11: device[1].channels.\"power/it\": rack: column 5: {{hosst/power/in}}: no device 'hosst' "
        "is configured; did you mean 'host'?"
    )
    assert second.startswith(f'{path}:12: device[1].channels."power/heat": rack: column 7: ')


def test_check_tells_where_the_state_cannot_be_kept(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "agent.toml"
    path.write_text(
        f'site = "lab"\nstate_dir = "{tmp_path}/file/state"\n[broker]\nurl = "mqtt://127.0.0.1:1"\n'
    )
    result = edgeagent("check", path)
    assert result.code == 1
    assert (
        f"{path}:2: state_dir: {tmp_path}/file is not a directory; set another state_dir"
        in result.err.splitlines()
    )


def test_an_absent_broker_is_told_and_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_text(f'state_dir = "{tmp_path}/state"\n{MINIMAL}')
    result = edgeagent("check", path)
    assert result.code == 0
    assert "broker 127.0.0.1:1: nothing listens there" in result.err
    assert result.out == f"{path}: good: lab/{load_config(path).node} with 0 devices\n"
    rows = edgeagent("check", path, "--json").json
    assert [row["severity"] for row in rows] == ["warning"]


def test_explain_documents_every_key() -> None:
    rows = edgeagent("check", "--explain", "--json").json
    assert {"site", "broker.url", "outbox.max_bytes", "device[].interval_s", "device[].zone"} <= {
        row["key"] for row in rows
    }
    assert all(row["meaning"] for row in rows)
    assert "outbox.max_bytes" in edgeagent("check", "--explain").out


def test_a_terminal_without_our_signs_does_no_harm() -> None:
    result = edgeagent("check", "--explain", more={"PYTHONIOENCODING": "ascii"})
    assert (result.code, result.err) == (0, "")
    assert "a number ? 0.05" in result.out


def test_probe_and_read_a_made_up_machine(tmp_path: Path) -> None:
    root = made_up(
        tmp_path / "root",
        chip(0, "nct6775", temp1_input="45500\n", temp1_label="CPU\n", fan1_input="1200\n")
        | chip(1, "nvme", temp1_input="-300000\n"),
    )
    rows = edgeagent("probe", "--root", root, "--json").json
    found = {row["device"]: row for row in rows}
    assert set(found) == {"hwmon-nct6775", "hwmon-nvme"}
    assert found["hwmon-nct6775"]["driver"] == "hwmon"
    shown = edgeagent("probe", "--root", root).out
    assert "hwmon-nct6775" in shown
    assert "Nothing found by " in shown and ", nvml, " in shown.splitlines()[-1]

    result = edgeagent("read", "--found", "--root", root, "--json")
    values = {(row["device"], row["quantity"], row["channel"]): row for row in result.json}
    assert values["hwmon-nct6775", "temperature", "cpu"]["value"] == 45.5
    assert values["hwmon-nct6775", "speed", "fan1"] | {"description": ""} == {
        "device": "hwmon-nct6775", "channel": "fan1", "quantity": "speed", "value": 1200.0,
        "unit": "{rpm}", "fault": None, "description": "",
    }  # fmt: skip
    assert values["hwmon-nvme", "temperature", "temp1"]["value"] is None
    assert "outside" in values["hwmon-nvme", "temperature", "temp1"]["fault"]

    only = edgeagent("read", "hwmon-nvme", "--found", "--root", root)
    assert only.code == 1, "there was no number to read"
    assert "outside" in only.out
    wrong = edgeagent("read", "hwmon-nvm", "--found", "--root", root).mistake
    assert wrong == "edgeagent: no device 'hwmon-nvm'; did you mean 'hwmon-nvme'?"


def test_read_does_not_wait_for_a_device_that_hangs(tmp_path: Path) -> None:
    root = made_up(
        tmp_path / "root", chip(0, "good", temp1_input="20000") | chip(1, "stuck", temp1_input="1")
    )
    stuck = root / "sys/class/hwmon/hwmon1/temp1_input"
    stuck.unlink()
    os.mkfifo(stuck)  # opening it for reading blocks until somebody writes
    begun = time.monotonic()
    result = edgeagent("read", "--found", "--root", root, "--timeout", "1.5", "--json")
    assert time.monotonic() - begun < 10
    rows = {row["device"]: row for row in result.json}
    assert rows["hwmon-good"]["value"] == 20.0
    assert rows["hwmon-stuck"]["fault"] == "no answer; the driver hangs"


def test_probe_says_what_nothing_is(tmp_path: Path) -> None:
    assert edgeagent("probe", "--root", tmp_path).out == f"No driver found a device under {tmp_path}.\n"


def test_init_writes_what_was_found(tmp_path: Path) -> None:
    root = made_up(tmp_path / "root", chip(0, 'odd "\\ name', temp1_input="1000"))
    path = tmp_path / "agent.toml"
    arguments = (
        "init",
        "--root",
        root,
        "-o",
        path,
        "--site",
        "lab",
        "--node",
        "n1",
        "--broker",
        "mqtt://b.lan",
    )
    assert edgeagent(*arguments).code == 0
    config = load_config(path)
    assert (config.site, config.node, config.broker.url, config.host_root) == (
        "lab",
        "n1",
        "mqtt://b.lan",
        str(root),
    )
    assert [device.driver for device in config.devices] == ["hwmon"]
    assert config.devices[0].options.chip == 'odd "\\ name'  # type: ignore[attr-defined]
    assert "# max_bytes = 268435456" in path.read_text()

    before = path.read_text()
    refused = edgeagent("init", "--root", tmp_path, "-o", path).mistake
    assert refused == f"edgeagent: {path} exists already; --force replaces it"
    assert path.read_text() == before
    assert edgeagent("init", "--root", tmp_path, "-o", path, "--force").code == 0
    assert load_config(path).devices == []
    assert [p.name for p in tmp_path.iterdir()] in (["root", "agent.toml"], ["agent.toml", "root"])


def test_every_default_that_init_shows_is_right(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    edgeagent("init", "--root", tmp_path, "-o", path)
    shown = path.read_text()
    live = "\n".join(
        line.removeprefix("# ") if " = " in line and ": " not in line else line for line in shown.splitlines()
    )
    tomllib.loads(live)
    path.write_text(live)
    config, plain = load_config(path), tmp_path / "plain.toml"
    plain.write_text('site = "lab"\n')
    assert (config.outbox, config.agent, config.broker) == (
        load_config(plain).outbox,
        load_config(plain).agent,
        load_config(plain).broker,
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--site", "Lab A"], "site 'Lab A': a name has 1 to 63 characters"),
        (["--node", "n/1"], "node 'n/1': a name has"),
        (["--broker", "tcp://x"], "broker.url 'tcp://x': write mqtt://host[:port]"),
        (["-o", "no/such/dir.toml"], "no/such/dir.toml: cannot be written: no such file or directory"),
    ],
)
def test_init_refuses(tmp_path: Path, arguments: list[str], words: str) -> None:
    line = edgeagent("init", "--root", tmp_path, *arguments, cwd=tmp_path).mistake
    assert line.startswith(f"edgeagent: {words}")
    assert list(tmp_path.iterdir()) == []


def test_outbox_counts_and_exports(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    lines = "".join(f"power,channel=c{i},device=d,node=n,site=s value={i}.0 {i}\n" for i in range(5))
    outbox = Outbox(state / "outbox.db", 1 << 20)
    outbox.put(lines, 5)
    outbox.seal("synced", time.time_ns() - 90 * 10**9)
    outbox.put("load,channel=c,device=d,node=n,site=s value=1.0 9\n", 1)
    outbox.commit()

    [row] = edgeagent("outbox", "--state-dir", state, "--json").json
    assert (row["batches"], row["readings"], row["unsealed"], row["next_seq"]) == (1, 5, 1, 2)
    assert 90 <= row["oldest_age_s"] < 120
    assert row["boot"] == outbox.boot
    assert row["bytes"] == outbox.size_bytes
    assert "readings" in edgeagent("outbox", "--state-dir", state).out

    file = tmp_path / "export.lp"
    assert edgeagent("outbox", "--state-dir", state, "--export", file).code == 0
    assert file.read_text() == lines + "load,channel=c,device=d,node=n,site=s value=1.0 9\n"
    assert edgeagent("outbox", "--state-dir", state, "--export", "-").out == file.read_text()
    assert "exists already" in edgeagent("outbox", "--state-dir", state, "--export", file).mistake
    assert outbox.depth == 1
    outbox.close()


def test_outbox_refuses_what_is_none(tmp_path: Path) -> None:
    assert "no outbox there" in edgeagent("outbox", "--state-dir", tmp_path).mistake
    (tmp_path / "outbox.db").write_bytes(b"garbage" * 1000)
    assert (
        "not a sound outbox: file is not a database" in edgeagent("outbox", "--state-dir", tmp_path).mistake
    )
    (tmp_path / "outbox.db").unlink()
    sqlite3.connect(tmp_path / "outbox.db").close()
    (tmp_path / "outbox.db").touch()
    assert "not a sound outbox: no such table" in edgeagent("outbox", "--state-dir", tmp_path).mistake


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:1", "http://127.0.0.1:1: no aggregator answers there (connection refused)"),
        ("127.0.0.1:8700", "'127.0.0.1:8700' is not a URL of an aggregator; write http://host[:port]"),
        (
            "http://127.0.0.1:port",
            "'http://127.0.0.1:port' is not a URL of an aggregator; write http://host[:port]",
        ),
    ],
)
@pytest.mark.parametrize("how", [[], ["--once"], ["--json"]])
def test_top_needs_an_aggregator(url: str, words: str, how: list[str]) -> None:
    assert edgeagent("top", "--url", url, *how).mistake == f"edgeagent: {words}"
