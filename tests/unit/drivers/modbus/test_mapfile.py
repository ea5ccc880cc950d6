"""Mistakes in register maps, each told with file, line and key; and the maps that are shipped."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from edgeagent.config import load_config
from edgeagent.drivers.modbus.mapfile import load, shipped, shipped_path
from edgeagent.drivers.modbus.mapkeys import MapHead, Output, Register, SerialNumber
from edgeagent.drivers.modbus.nodetable import node_table
from edgeagent.drivers.modbus.points import plan, points
from edgeagent_sdk.config import ConfigError, explain
from edgeagent_sdk.nodemap import CHANNELS, OUTPUTS, TELEMETRY

README = shipped_path("").parents[1].joinpath("README.md").read_text("utf-8")

HEAD = 'title = "a"\nsource = "b"\n'


@pytest.mark.parametrize(
    ("text", "line", "key", "why"),
    [
        ('title = "a"\n[register]\n"voltage/in" = { address = 0 }', 0, "source", "is missing"),
        (HEAD, 0, "register", "has no registers"),
        (HEAD + "[register]\n", 3, "register", "has no registers"),
        (HEAD + "[register]\n\nx = { address = 0 }", 5, "register.x", 'must be "quantity/channel"'),
        (HEAD + '[register]\n"volts/in" = { address = 0 }', 4, 'register."volts/in"', "unknown quantity"),
        (HEAD + '[register]\n"voltage/L1" = { address = 0 }', 4, 'register."voltage/L1"', "'l1' would do"),
        (HEAD + '[register]\n"voltage/in" = 3', 4, 'register."voltage/in"', "must be a table"),
        (HEAD + '[register]\n"voltage/in" = {}', 4, 'register."voltage/in".address', "is missing"),
        (
            HEAD + '[register]\n"voltage/in" = { address = 0, typ = "u16" }',
            4,
            'register."voltage/in".typ',
            "did you mean 'type'",
        ),
        (
            HEAD + '[register]\n"voltage/in" = { address = 0, type = "float" }',
            4,
            'register."voltage/in".type',
            'must be .*"f32"',
        ),
        (
            HEAD + '[register]\n"voltage/in" = { address = 0xFFFF, type = "f32" }',
            4,
            'register."voltage/in".address',
            "outside the registers 0 to 65535",
        ),
        (
            HEAD + 'base = 1\n[register]\n"voltage/in" = { address = 0 }',
            5,
            'register."voltage/in".address',
            "outside the registers 1 to 65536",
        ),
        (
            HEAD + '[register]\n"power/in" = { address = 0, unit = "kWh" }',
            4,
            'register."power/in".unit',
            "no unit of power; known: W, mW, kW, MW",
        ),
        (
            HEAD + '[register]\n"power/in" = { address = 0, scale = 0 }',
            4,
            'register."power/in".scale',
            "other than 0",
        ),
        (
            HEAD + '[register]\n"power/a" = { address = 0, type = "f32" }\n"power/b" = { address = 1 }',
            5,
            'register."power/b".address',
            "register 1 is part of 'power/a' already",
        ),
        (
            HEAD + '[register]\n"state/a" = { address = 0, space = "coil", type = "u16" }',
            4,
            'register."state/a".type',
            'a coil is a "bit"',
        ),
        (
            HEAD + 'read_max = 2\n[register]\n"power/a" = { address = 0, type = "f64" }',
            5,
            'register."power/a".type',
            "takes 4 registers, more than read_max = 2",
        ),
        (
            HEAD + 'limits = { volts = [0, 1] }\n[register]\n"power/a" = { address = 0 }',
            3,
            "limits.volts",
            "did you mean 'voltage'",
        ),
        (
            HEAD + 'limits = { voltage = [1, 0] }\n[register]\n"power/a" = { address = 0 }',
            3,
            "limits.voltage",
            "smaller, larger",
        ),
        (
            HEAD + 'unavailable = { s16 = [1] }\n[register]\n"power/a" = { address = 0 }',
            3,
            "unavailable.s16",
            "unknown type",
        ),
        (
            HEAD + '[register]\n"power/a" = { address = 0 }\n'
            '[output]\n"power/a" = { address = 0, space = "input", minimum = 0, maximum = 1 }',
            6,
            'output."power/a".space',
            "cannot be written",
        ),
        (
            HEAD + '[register]\n"power/a" = { address = 0 }\n'
            '[output]\n"power/a" = { address = 0, minimum = 1, maximum = 1 }',
            6,
            'output."power/a".maximum',
            "larger than minimum",
        ),
        (
            HEAD + '[register]\n"power/a" = { address = 0 }\n'
            '[output]\n"power/a" = { address = 0, maximum = 1 }',
            6,
            'output."power/a".minimum',
            "is missing",
        ),
    ],
)
def test_a_mistake(tmp_path: Path, text: str, line: int, key: str, why: str) -> None:
    path = tmp_path / "my.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=why) as caught:
        load(path)
    first = caught.value.problems[0]
    assert (first.file, first.line, first.key) == (str(path), line, key)


def test_they_are_told_beside_those_of_the_configuration(tmp_path: Path) -> None:
    table, config = tmp_path / "my.toml", tmp_path / "agent.toml"
    table.write_text(HEAD + '[register]\n"volts/a" = { address = 0 }\n"power/b" = { address = -1 }\n')
    config.write_text(
        'site = "s"\n'
        f'[[device]]\nname = "m"\ndriver = "modbus"\nmap = "{table}"\nhost = "h"\n'
        '[[device]]\nname = "n"\ndriver = "modbus"\nmap = "eastron-sdm12"\nhost = "h"\n'
        '[[device]]\nname = "o"\ndriver = "modbus"\nmap = "eastron-sdm120"\n'
        '[[device]]\nname = "q"\ndriver = "modbus"\nmap = "sunspec"\nport = "/dev/ttyS0"\nunit_id = 0\n'
        '[[device]]\nname = "p"\ndriver = "modbus"\nmap = "eastron-sdm120"\nhost = "h"\nchannels = ["watt"]\n'
    )
    with pytest.raises(ConfigError) as caught:
        load_config(config)
    for problem, expected in zip(
        sorted(caught.value.problems),
        [
            f"{config}:10: device[1].map: no map 'eastron-sdm12'; did you mean 'eastron-sdm120'?",
            f"{config}:12: device[2].host: give host or port, one of the two",
            f"{config}:21: device[3].unit_id: must be 1 to 247 on a serial line, not 0",
            f"{config}:27: device[4].channels: the map has no 'watt'",
            f'{table}:4: register."volts/a": unknown quantity',
            f'{table}:5: register."power/b".address: must be a whole number ≥ 0',
        ],
        strict=True,
    ):
        assert str(problem).startswith(expected)


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_map(name: str) -> None:
    table = load(shipped_path(name))
    assert len(table.source) > 20, "the manual is named"
    quantities = {key.partition("/")[0] for key in table.register}
    assert {"power", "voltage", "current"} <= quantities
    assert all(high > low for low, high in table.limits.values())
    assert {"voltage", "current", "frequency"} <= table.limits.keys(), "a wrong word order shows itself"


def test_the_node_is_read_by_one_request_of_its_telemetry() -> None:
    table = node_table()
    assert len(table.register) == len(CHANNELS) + 1 + len(OUTPUTS)
    [block] = plan(points(table), table.read_max, table.gap_max)
    assert TELEMETRY.address <= block.address
    assert block.address + block.length <= TELEMETRY.address + TELEMETRY.words


@pytest.mark.parametrize("kind", [MapHead, Register, Output, SerialNumber])
def test_the_readme_tells_every_key(kind: type[msgspec.Struct]) -> None:
    for row in explain(kind):
        line = f"| `{row['key']}` | {row['type']} | `{row['default']}` | {row['meaning']} |"
        assert line in README, line


@pytest.mark.parametrize("name", shipped())
def test_the_readme_tells_every_map(name: str) -> None:
    table = load(shipped_path(name))
    assert f"| `{name}` | {table.title} | {table.source} |" in README
