"""agent.toml: what it may say, and what is said about what it may not."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from edgeagent.config import AgentKeys, DeviceKeys, explain_config, load_config
from edgeagent.drivers.hwmon import HwmonOptions, HwmonSensor
from edgeagent_sdk.config import ConfigError
from edgeagent_sdk.names import slug

DEVICE = 'site = "lab"\n[[device]]\nname = "d"\ndriver = "host"\n'

NAME = "a name has 1 to 63 characters out of a-z 0-9 _ . - and starts with a letter or a digit"


def problems(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "agent.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    return [str(problem).removeprefix(f"{path}:") for problem in caught.value.problems]


def test_the_least_that_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_text('site = "lab"\n')
    config = load_config(path)
    assert (config.site, config.node) == ("lab", slug(platform.node()))
    assert (config.prefix, config.broker.url) == ("edge", "mqtt://127.0.0.1:1883")
    assert config.devices == []


def test_all_that_there_is(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_text(
        """\
site = "lab"
node = "n1"
prefix = "plant"
state_dir = "/tmp/state"
host_root = "/host"
[broker]
url = "mqtts://me:secret@broker.lan:8884"
keepalive_s = 30
[outbox]
max_bytes = 2_000_000
batch_s = 0.5
delivery = "broker"
ack_timeout_s = 5
window = 8
[agent]
interval_s = 0
[[device]]
name = "board"
driver = "hwmon"
interval_s = 0.1
start = "jittered"
stale_after_s = 2
heartbeat_s = 30
deadband = { temperature = 0.5, "power/in" = 1 }
calibration = { "voltage/in" = [[0, 0.1], [10, 10.2]] }
chip = "nct6775"
at = "isa-0290"
[[device]]
name = "rapl"
driver = "powercap"
zone = "intel-rapl:0"
[device.deadband]
power = 0.5
"""
    )
    config = load_config(path)
    assert (config.prefix, config.state_dir, config.host_root) == ("plant", "/tmp/state", "/host")
    assert config.broker.address() == ("broker.lan", 8884)
    assert config.broker.login() == ("me", "secret")
    outbox = config.outbox
    assert (outbox.max_bytes, outbox.batch_s, outbox.delivery) == (2_000_000, 0.5, "broker")
    assert (outbox.ack_timeout_s, outbox.window, config.agent.interval_s) == (5.0, 8, 0.0)
    board, rapl = config.devices
    assert board.sensor is HwmonSensor
    assert board.options == HwmonOptions(chip="nct6775", at="isa-0290")
    assert (board.name, board.driver, board.interval_s, board.start) == ("board", "hwmon", 0.1, "jittered")
    assert (board.stale_after_s, board.heartbeat_s) == (2.0, 30.0)
    assert board.deadband == {"temperature": 0.5, "power/in": 1.0}
    assert board.calibration == {"voltage/in": [(0.0, 0.1), (10.0, 10.2)]}
    assert (rapl.deadband, rapl.interval_s, rapl.start) == ({"power": 0.5}, 1.0, "aligned")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param('node = "n1"\n[outbox]\n', [" site: is missing"], id="nothing that must be there"),
        pytest.param(
            'site = "Lab A"\nnode = "n 1"\n',
            [
                f"1: site: site 'Lab A': {NAME}; 'lab-a' would do",
                f"2: node: node 'n 1': {NAME}; 'n-1' would do",
            ],
            id="names that the wire cannot carry",
        ),
        pytest.param('site = ""\n', [f"1: site: site '': {NAME}; 'unnamed' would do"], id="empty site"),
        pytest.param(
            'site = "lab"\n[[devices]]\nname = "a"\n',
            ["2: devices: unknown key; did you mean 'device'?"],
            id="table with a slip",
        ),
        pytest.param(
            'site = "lab"\n[device]\nname = "a"\n',
            ["2: device: must be tables [[device]], one for each device"],
            id="a table in the place of an array",
        ),
        pytest.param(
            'site = "lab"\nprefix = "a/b"\n',
            ['2: prefix: must be a word without / + # and blanks, not "a/b"'],
            id="prefix",
        ),
        pytest.param(
            'site = "lab"\n[broker]\nurl = "http://x"\n',
            ["3: broker.url: 'http://x': write mqtt://host[:port] or mqtts://host[:port]"],
            id="not a broker",
        ),
        pytest.param(
            'site = "lab"\n[broker]\nurl = "mqtt://me:secret@x:port"\n',
            ["3: broker.url: 'x:port': write mqtt://host[:port] or mqtts://host[:port]"],
            id="a password is not repeated",
        ),
        pytest.param(
            'site = "lab"\n[outbox]\nbatch_s = 0\nmax_bytes = 5\ndelivery = "store"\n',
            [
                "3: outbox.batch_s: must be a number ≥ 0.05 and ≤ 3600, not 0",
                "4: outbox.max_bytes: must be a whole number ≥ 1048576, not 5",
                '5: outbox.delivery: must be "broker" or "stored", not "store"',
            ],
            id="out of bounds",
        ),
        pytest.param(
            'site = "lab"\n[[device]]\nname = "a"\ndriver = "hwmno"\n',
            ["4: device[0].driver: unknown driver 'hwmno'; did you mean 'hwmon'?"],
            id="unknown driver",
        ),
        pytest.param(
            'site = "lab"\n[[device]]\nname = "A"\ndriver = "hwmno"\ninterval_s = 0\n',
            [
                f"3: device[0].name: device 'A': {NAME}; 'a' would do",
                "4: device[0].driver: unknown driver 'hwmno'; did you mean 'hwmon'?",
                "5: device[0].interval_s: must be a number ≥ 0.001 and ≤ 86400, not 0",
            ],
            id="unknown driver, and more",
        ),
        pytest.param(
            'site = "lab"\n[[device]]\n\n[[device]]\ndriver = 3\n',
            [
                "2: device[0].driver: is missing",
                "2: device[0].name: is missing",
                "4: device[1].name: is missing",
                "5: device[1].driver: must be text, not 3",
            ],
            id="device without a driver",
        ),
        pytest.param(
            DEVICE + "intervall_s = 1\n",
            ["5: device[0].intervall_s: unknown key; did you mean 'interval_s'?"],
            id="slip in a common key",
        ),
        pytest.param(
            DEVICE + "filesystem = []\n",
            ["5: device[0].filesystem: unknown key; did you mean 'filesystems'?"],
            id="slip in a driver's key",
        ),
        pytest.param(
            'site = "lab"\n[[device]]\nname = "a"\ndriver = "powercap"\n',
            ["2: device[0].zone: is missing"],
            id="missing driver's key",
        ),
        pytest.param(
            DEVICE + "filesystems = 3\n",
            ["5: device[0].filesystems: must be a list [text, …], not 3"],
            id="type of a driver's key",
        ),
        pytest.param(
            DEVICE + '[[device]]\ndriver = "host"\nname = "d"\n',
            ["7: device[1].name: 'd' is taken by an earlier device; give each device a name of its own"],
            id="two of one name",
        ),
        pytest.param(
            'site = "lab"\n[[device]]\nname = "agent"\ndriver = "host"\n',
            ["3: device[0].name: 'agent' is the agent's own; give each device a name of its own"],
            id="the agent's name",
        ),
        pytest.param(
            DEVICE + 'deadband = { powr = 1, "power/x" = 0, voltage = inf, current = "x" }\n',
            ['5: device[0].deadband.current: must be a number, not "x"'],
            id="deadband of a wrong type",
        ),
        pytest.param(
            DEVICE + 'deadband = { powr = 1, "power/x" = 0, voltage = inf, current = nan }\n',
            [
                '5: device[0].deadband."power/x": must be a number > 0, not 0.0',
                "5: device[0].deadband.current: must be a number > 0, not nan",
                "5: device[0].deadband.powr: unknown quantity; did you mean 'power'?",
                "5: device[0].deadband.voltage: must be a number > 0, not inf",
            ],
            id="deadband",
        ),
        *(
            pytest.param(
                DEVICE + f"[device.calibration]\npower = {points}\n",
                [
                    "6: device[0].calibration.power: must be two or more [measured, true] points, "
                    "with rising measured values"
                ],
                id=f"calibration {points}",
            )
            for points in ("[]", "[[1, 1]]", "[[2, 1], [1, 2]]", "[[1, 1], [1, 2]]", "[[0, 0], [nan, 1]]")
        ),
        pytest.param(
            DEVICE + "[device.calibration]\npower = [[1, 2, 3], [4, 5]]\n",
            [
                "6: device[0].calibration.power: must be a list [[a number, a number], …], "
                "not [[1, 2, 3], [4, 5]] (at [0])"
            ],
            id="calibration of a wrong shape",
        ),
    ],
)
def test_every_mistake_has_its_line(tmp_path: Path, text: str, found: list[str]) -> None:
    assert problems(tmp_path, text) == found


def test_every_key_is_documented() -> None:
    rows = list(explain_config())
    assert all(row["meaning"] for row in rows)
    keys = {row["key"] for row in rows}
    assert {"site", "broker.url", "outbox.max_bytes", "agent.interval_s", "device[].driver"} <= keys
    assert keys >= set(AgentKeys.__struct_fields__) - {"broker", "outbox", "agent", "hints"}
    assert keys >= {f"device[].{key}" for key in DeviceKeys.__struct_fields__}
    assert "top-level zone, e.g. intel-rapl:0; its parts come with it (driver powercap)" in [
        row["meaning"] for row in rows if row["key"] == "device[].zone"
    ]


_GUARD = """\
[[guard]]
name = "heat"
channel = "d/temperature/*"
limit = 95
release = 85
actions = { "d/limit" = "lowest" }
"""


def test_guards_are_read(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_text(DEVICE + _GUARD)
    (guard,) = load_config(path).guards
    assert (guard.name, guard.limit, guard.hold_s, guard.actions) == ("heat", 95, 5.0, {"d/limit": "lowest"})


@pytest.mark.parametrize(
    ("text", "complaints"),
    [
        (_GUARD.replace("release = 85\n", ""), ["5: guard[0].release: is missing"]),
        (
            _GUARD.replace("85", "95"),
            ["9: guard[0].release: must be below the limit, 95, or it comes and goes for ever"],
        ),
        (_GUARD.replace("d/temp", "e/temp"), ["7: guard[0].channel: no [[device]] is named 'e'; known: d"]),
        (
            _GUARD.replace('"lowest"', '"low"'),
            ['10: guard[0].actions."d/limit": must be a number or "lowest", not "low"'],
        ),
        (_GUARD + _GUARD, ["12: guard[1].name: 'heat' is taken by an earlier guard"]),
        (_GUARD.replace('"heat"', '"Heat"'), [f"6: guard[0].name: guard 'Heat': {NAME}; 'heat' would do"]),
        ("[guard]\n", ["5: guard: must be tables [[guard]], one for each guard"]),
    ],
)
def test_mistakes_in_guards_are_found_in_their_line(tmp_path: Path, text: str, complaints: list[str]) -> None:
    assert problems(tmp_path, DEVICE + text) == complaints
