"""Names: one alphabet, and the way into it from any text."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeagent_sdk.errors import NameInvalid
from edgeagent_sdk.names import NAME_PATTERN, Identity, check_name, slug, unique


@pytest.mark.parametrize("name", ["a", "0", "n1", "intel-rapl.0_x", "a" * 63])
def test_legal_names(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    ("name", "proposal"),
    [
        ("", "unnamed"),
        ("A", "a"),
        ("n 1", "n-1"),
        ("-x", "x"),
        ("a/b", "a-b"),
        ("a\n", "a"),
        ("é", "unnamed"),
        ("Fan #1 (CPU)", "fan-1-cpu"),
        ("a" * 64, "a" * 63),
        ("a,b=c d", "a-b-c-d"),
    ],
)
def test_illegal_names_come_with_a_proposal(name: str, proposal: str) -> None:
    with pytest.raises(NameInvalid) as caught:
        check_name(name, "device")
    assert str(caught.value).startswith(f"device {name!r}: ")
    assert str(caught.value).endswith(f"{proposal!r} would do")
    assert "\n" not in str(caught.value)


@given(st.text())
def test_a_slug_is_always_legal(text: str) -> None:
    assert re.fullmatch(NAME_PATTERN, slug(text))
    assert slug(slug(text)) == slug(text)


@given(st.lists(st.from_regex(rf"\A{NAME_PATTERN}\Z")))
def test_unique_names_differ_and_stay_legal(names: list[str]) -> None:
    result = unique(names)
    assert len(set(result)) == len(result) == len(names)
    assert all(re.fullmatch(NAME_PATTERN, name) for name in result)
    assert unique(result) == result, "what differs already is left alone"


def test_unique_counts() -> None:
    assert unique(["a", "a", "b", "a-2", "a"]) == ["a", "a-2", "b", "a-2-2", "a-3"]
    assert unique(["x" * 63] * 2) == ["x" * 63, "x" * 61 + "-2"]


def test_an_identity_reads_as_a_path() -> None:
    assert str(Identity("lab", "n1")) == "lab/n1"
