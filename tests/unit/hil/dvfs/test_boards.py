"""Boards of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeagent_hil.dvfs import board
from edgeagent_hil.twin import kinds
from edgeagent_sdk.errors import EdgeError

_DATA = Path(kinds.__file__).parent / "data/kinds"


def _own(tmp_path: Path, old: str = "", new: str = "", kind: str = "rk3399") -> str:
    text = (_DATA / f"{kind}.toml").read_text()
    assert old in text
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(old, new) if old else text)
    return str(path)


def test_a_file_of_ones_own_is_a_board(tmp_path: Path) -> None:
    one = board(_own(tmp_path))
    assert one.name == "mine"
    assert [domain.name for domain in one.machine.domains] == ["little", "big", "gpu"]
    assert one.machine.domains[1].opps_hz[-1] == 1.8e9
    assert one.machine.domains[1].limit_c == 85.0
    assert (one.foreground, one.background) == (1, 0)


def test_without_its_table_the_strongest_works_and_the_next_besides(tmp_path: Path) -> None:
    table = '[dvfs]\nforeground = "big"\nbackground = "little"\n'
    one = board(_own(tmp_path, table))
    assert [one.parts[i].name for i in (one.foreground, one.background)] == ["gpu", "big"]


def test_limits_can_be_tighter_and_the_case_can_have_one(tmp_path: Path) -> None:
    one = board(_own(tmp_path, "[dvfs]", "[dvfs]\nlimits_c = { big = 70.0, case = 45.0 }"))
    assert [domain.limit_c for domain in one.machine.domains] == [85.0, 70.0, 85.0]
    assert one.machine.limits_c == {"case": 45.0}


def test_only_what_limits_its_power_measures_it() -> None:
    assert [part.metered for part in board("rk3399").parts] == [False] * 3
    assert [part.metered for part in board("v100").parts] == [True] * 2


def test_an_operating_point_is_the_highest_that_is_not_faster() -> None:
    big = board("rk3399").parts[1]
    assert [big.point(hz) for hz in (0.0, 408e6, 599e6, 600e6, 1.8e9, 9e9)] == [0, 0, 0, 1, 7, 7]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('foreground = "big"', 'foreground = "bog"', "no component 'bog'; did you mean 'big'"),
        ("[dvfs]", "[dvfs]\nlimits_c = { gpus = 80.0 }", "no component 'gpus'; did you mean 'gpu'"),
        ("[dvfs]", '[dvfs]\nmeter = "wall"', "meter"),
        ("[dvfs]", "[dvfs]\ntuned = true", "tuned"),
        ("[408e6, 0.8], [600e6, 0.8], [816e6, 0.85]", "[408e6, 0.9], [600e6, 0.8]", "must rise"),
        ("board_w = 2.6", "board_w = true", "board_w"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(EdgeError, match=said) as caught:
        board(_own(tmp_path, old, new))
    assert "mine.toml" in str(caught.value)
