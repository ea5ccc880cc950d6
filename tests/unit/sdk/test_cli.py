"""Tables for people, JSON for programs, and failures in one line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edgeagent_sdk.cli import fail, show

ROWS: list[dict[str, Any]] = [
    {"name": "a", "share": 0.123456, "count": 1234567, "on": True, "hidden": [1, 2]},
    {"name": "[b]", "share": None, "count": 7, "on": False, "hidden": []},
]


def test_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    show(ROWS, ["name", "share", "count", "on"], as_json=False)
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert lines[0] == ["name", "share", "count", "on"]
    assert lines[2:] == [["a", "0.1235", "1,234,567", "yes"], ["[b]", "–", "7", "no"]]


def test_json_has_every_key(capsys: pytest.CaptureFixture[str]) -> None:
    show(iter(ROWS), ["name"], as_json=True)
    assert json.loads(capsys.readouterr().out) == ROWS


def test_nothing_is_said_in_words_and_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    show([], ["name"], as_json=False, empty="There is no device.")
    assert capsys.readouterr().out == "There is no device.\n"
    show([], ["name"], as_json=True)
    assert json.loads(capsys.readouterr().out) == []


def test_fail(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        fail("broker x: nothing listens there")
    assert caught.value.code == 1
    assert capsys.readouterr() == ("", "edgeagent: broker x: nothing listens there\n")
