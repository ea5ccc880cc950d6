"""The header and the page that are made of the register map say what it says."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeagent_sdk import nodemap
from edgeagent_sdk.nodemap import BLOCKS, CHANNELS, OUTPUTS, Alarm, Chip, EventCode, ResetCause, SafeState
from tests.unit.firmware import FIRMWARE, tool

registers = tool("registers")


def _expected() -> Iterator[tuple[str, int]]:
    """Names of the header, written out by hand where a rule of naming is meant, and their numbers."""
    for name in ("MAGIC", "KEY_CONTROL", "KEY_CONFIG", "RESET_TO_BOOT", "LEASE_MAX_MS", "NO_VALUE", "EVENTS"):
        yield name, getattr(nodemap, name)
    for block in BLOCKS:
        yield f"{block.name.upper()}_ADDRESS", block.address
        yield f"{block.name.upper()}_WORDS", block.words
        for field in block.fields:
            yield f"{block.name.upper()}_{field.name.upper()}", block.offsets[field.name]
    for number, channel in enumerate(CHANNELS):
        yield f"CHANNEL_{channel.quantity.upper()}_{channel.name.upper()}", number
    for number, output in enumerate(OUTPUTS):
        yield f"OUTPUT_{output.name.upper()}", number
    yield from (("CHANNELS", len(CHANNELS)), ("OUTPUTS", len(OUTPUTS)), ("CHIPS", len(Chip)))
    yield "ALARM_OVER_TEMPERATURE", Alarm.OVER_TEMPERATURE
    yield "EVENT_CODE_SENSOR_LOST", EventCode.SENSOR_LOST
    yield "RESET_CAUSE_POWER_ON", ResetCause.POWER_ON
    yield "SAFE_STATE_HOLD", SafeState.HOLD


def test_the_header_says_what_the_map_says(tmp_path: Path) -> None:
    (tmp_path / "registers.h").write_text(registers.header(), "utf-8")
    lines = [f"_Static_assert({name} == {value}LL, {name!r});" for name, value in _expected()]
    source = tmp_path / "check.c"
    source.write_text('#include "registers.h"\n' + "\n".join(lines).replace("'", '"') + "\n", "utf-8")
    compiler = ["gcc", "-std=c17", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", str(source)]
    assert subprocess.run(compiler, capture_output=True, text=True).stderr == ""


def test_the_rules_say_what_may_be_written(tmp_path: Path) -> None:
    program, source = tmp_path / "rules", tmp_path / "rules.c"
    (tmp_path / "registers.h").write_text(registers.header(), "utf-8")
    holding = [block for block in BLOCKS if block.space == "holding"]
    tables = "\n".join(f"    {block.name.upper()}_RULES," for block in holding)
    source.write_text(
        '#include <stdio.h>\n#include "registers.h"\n'
        f"static const long long rules[][6] = {{\n{tables}\n}};\n"
        "int main(void) {\n"
        "    for (unsigned i = 0; i < sizeof rules / sizeof *rules; i++)\n"
        '        for (unsigned j = 0; j < 6; j++) printf(j < 5 ? "%lld " : "%lld\\n", rules[i][j]);\n'
        "}\n",
        "utf-8",
    )
    subprocess.run(["gcc", "-std=c17", "-Wall", "-Werror", str(source), "-o", str(program)], check=True)
    shown = subprocess.run([program], check=True, capture_output=True, text=True).stdout.splitlines()
    assert shown == [
        f"{block.offsets[field.name]} {field.words} {int(field.kind[0] == 'i')} "
        f"{field.minimum} {field.maximum} {field.default}"
        for block in holding
        for field in block.fields
    ]


def test_the_page_names_every_register() -> None:
    page = registers.markdown()
    for block in BLOCKS:
        for field in block.fields:
            assert f"| `0x{block.at(field.name):04X}` | `{field.name}` | {field.kind} |" in page


def test_the_page_in_the_repository_is_the_one_that_is_made() -> None:
    assert (FIRMWARE.parent / "docs" / "registers.md").read_text("utf-8") == registers.markdown()


@pytest.mark.parametrize("kind", ["c", "markdown"])
def test_a_file_that_is_as_it_should_be_is_left_alone(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    assert registers.main([kind, str(path)]) == 0
    made = path.stat().st_mtime_ns
    assert registers.main([kind, str(path)]) == 0
    assert path.stat().st_mtime_ns == made
    path.write_text("something else", "utf-8")
    assert registers.main([kind, str(path)]) == 0
    assert path.read_text("utf-8") != "something else"


@pytest.mark.parametrize("arguments", [[], ["c"], ["pdf", "file"], ["c", "file", "more"]])
def test_other_arguments_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert registers.main(arguments) == 2
    assert "usage:" in capsys.readouterr().err
