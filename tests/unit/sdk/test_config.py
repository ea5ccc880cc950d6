"""Configuration files: every mistake with its line, whatever form the TOML has."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeagent_sdk.config import ConfigError, KeyPath, dotted, explain, key_lines, load, toml_value


class Inner(msgspec.Struct, kw_only=True, frozen=True):
    rate_s: Annotated[float, msgspec.Meta(ge=0.05, description="how often")] = 1.0
    mode: Annotated[Literal["fast", "slow"], msgspec.Meta(description="which way")] = "slow"


class Outer(msgspec.Struct, kw_only=True):
    name: Annotated[str, msgspec.Meta(description="what it is called")]
    count: Annotated[int, msgspec.Meta(ge=1, le=9, description="how many")] = 3
    bands: Annotated[dict[str, float], msgspec.Meta(description="limits")] = {}
    words: list[str] = []
    inner: Inner = Inner()


def problems(tmp_path: Path, text: str | bytes) -> list[str]:
    path = tmp_path / "c.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(ConfigError) as caught:
        load(path, Outer)
    assert "\n" not in str(caught.value)
    return [str(problem).removeprefix(f"{path}") for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", [": name: is missing"]),
        ('name = "a"\n\ncuont = 3\n', [":3: cuont: unknown key; did you mean 'count'?"]),
        ('name = "a"\nzzz = 3\n', [":2: zzz: unknown key; known: name, count, bands, words, inner"]),
        ("name = 5\n", [":1: name: must be text, not 5"]),
        ('name = "a"\ncount = 10\n', [":2: count: must be a whole number ≥ 1 and ≤ 9, not 10"]),
        ('name = "a"\ncount = true\n', [":2: count: must be a whole number ≥ 1 and ≤ 9, not true"]),
        ('name = "a"\n[inner]\nrate_s = "fast"\n', [':3: inner.rate_s: must be a number ≥ 0.05, not "fast"']),
        ('name = "a"\n[inner]\nrate_s = nan\n', [":3: inner.rate_s: must be a number ≥ 0.05, not nan"]),
        ('name = "a"\n[inner]\nmode = "fats"\n', [':3: inner.mode: must be "fast" or "slow", not "fats"']),
        ('name = "a"\ninner.rate = 1\n', [":2: inner.rate: unknown key; did you mean 'rate_s'?"]),
        ('name = "a"\ninner = { rate = 1 }\n', [":2: inner.rate: unknown key; did you mean 'rate_s'?"]),
        ('name = "a"\ninner = 4\n', [":2: inner: must be a table [inner], not 4"]),
        ('name = "a"\nwords = ["x", 3]\n', [':2: words: must be a list [text, …], not ["x", 3] (at [1])']),
        ('name = "a"\n[bands]\n"p/in" = "x"\n', [':3: bands."p/in": must be a number, not "x"']),
        (
            'name = "a"\nbands = [1]\n',
            [":2: bands: must be a table { name = a number, … }, not [1]"],
        ),
        (
            f'name = "a"\ncount = "{"x" * 80}"\n',
            [f':2: count: must be a whole number ≥ 1 and ≤ 9, not "{"x" * 59}…'],
        ),
        (
            '# two at once\ncount = 0\n[inner]\nrate_s = 0\n',
            [
                ": name: is missing",
                ":2: count: must be a whole number ≥ 1 and ≤ 9, not 0",
                ":4: inner.rate_s: must be a number ≥ 0.05, not 0",
            ],
        ),
    ],
)  # fmt: skip
def test_every_mistake_is_found_in_its_line(tmp_path: Path, text: str, found: list[str]) -> None:
    assert problems(tmp_path, text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('name = "a"\ncount = \n', ":2: not TOML: invalid value (column 9)"),
        ('name = "a"\nname = "b"\n', ":2: not TOML: cannot overwrite a value (column 11)"),
        ('name = "a"\nwords = ["b",\n', ":2: not TOML: invalid value"),
        ('name = "a"\nwords = """b\n\n', ":3: not TOML: unterminated string"),
        ("name\n", ":1: not TOML: expected '=' after a key in a key/value pair (column 5)"),
        (b'name = "\xff"\n', ": is not UTF-8 text (byte 8)"),
        (
            f"count = {'9' * 5000}",
            ": not TOML that can be read: a number has too many digits, or brackets are nested too deep",
        ),
        (
            f"words = {'[' * 5000}",
            ": not TOML that can be read: a number has too many digits, or brackets are nested too deep",
        ),
    ],
)
def test_what_is_not_toml(tmp_path: Path, text: str | bytes, found: str) -> None:
    assert problems(tmp_path, text) == [found]


@pytest.mark.parametrize(
    ("path", "reason"),
    [("missing.toml", "no such file or directory"), (".", "is a directory")],
)
def test_what_cannot_be_read(tmp_path: Path, path: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=rf"^\S+: cannot be read: {reason}$"):
        load(tmp_path / path, Outer)


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_bytes(b'\xef\xbb\xbfname = "a"\r\n[inner]\r\nrate_s = 2\r\n')
    assert load(path, Outer) == Outer(name="a", inner=Inner(rate_s=2.0))


def test_the_error_tells_how_many_more_there_are(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("count = 0\nx = 1\n")
    with pytest.raises(ConfigError) as caught:
        load(path, Outer)
    assert str(caught.value) == f"{path}: name: is missing (and 2 more; see `edgeagent check`)"


def test_explain_gives_a_row_for_every_key() -> None:
    assert [tuple(row.values()) for row in explain(Outer)] == [
        ("name", "text", "(required)", "what it is called"),
        ("count", "a whole number ≥ 1 and ≤ 9", "3", "how many"),
        ("bands", "a table { name = a number, … }", "{}", "limits"),
        ("words", "a list [text, …]", "[]", ""),
        ("inner.rate_s", "a number ≥ 0.05", "1.0", "how often"),
        ("inner.mode", '"fast" or "slow"', '"slow"', "which way"),
    ]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a = 1\nb = 2\n", {"a": 1, "b": 2}),
        ("\n# a = 0\n\na = 1 # b = 2\n", {"a": 4}),
        ("a.b.c = 1\n", {"a": 1, "a.b": 1, "a.b.c": 1}),
        ('"a.b" = 1\n', {'"a.b"': 1}),
        ("'a b'.c = 1\n", {'"a b"': 1, '"a b".c': 1}),
        ('"\\u00e9" = 1\n', {'"é"': 1}),
        ('"a=b" = 1\nc = 2\n', {'"a=b"': 1, "c": 2}),
        ("[t]\n\na = 1\n", {"t": 1, "t.a": 3}),
        ("[ t . u ] # x ]\na = 1\n", {"t.u": 1, "t.u.a": 2}),
        ('["a]b"]\nc = 1\n', {'"a]b"': 1, '"a]b".c': 2}),
        ("[[d]]\na = 1\n[[d]]\na = 2\n", {"d": 3, "d[0]": 1, "d[0].a": 2, "d[1]": 3, "d[1].a": 4}),
        (
            "[[d]]\n[d.x]\na = 1\n[[d]]\n[d.x]\na = 2\n",
            {"d": 4, "d[0]": 1, "d[0].x": 2, "d[0].x.a": 3, "d[1]": 4, "d[1].x": 5, "d[1].x.a": 6},
        ),
        (
            "[[d]]\n[[d.e]]\n[[d.e]]\nf = 2\n",
            {"d": 1, "d[0]": 1, "d[0].e": 3, "d[0].e[0]": 2, "d[0].e[1]": 3, "d[0].e[1].f": 4},
        ),
        ("a = [\n  [1, 2], # ]\n  [3, 4],\n]\nb = 1\n", {"a": 1, "b": 5}),
        ('a = """\n[t]\nb = 1\n"""\nc = 1\n', {"a": 1, "c": 5}),
        ("a = '''\n[t]\n\"\"\"\n'''\nc = 1\n", {"a": 1, "c": 5}),
        ('a = """x""""\nb = 1\n', {"a": 1, "b": 2}),
        ('a = """\\""" # not yet\n"""\nb = 1\n', {"a": 1, "b": 3}),
        ("a = 'don\\'\nb = 1\n", {"a": 1, "b": 2}),
        ("# don't [\na = 1\n", {"a": 2}),
        ('a = "# no [ comment"\nb = 1\n', {"a": 1, "b": 2}),
        ("a = { x = [1,\n 2], y = 3 }\nb = 1\n", {"a": 1, "b": 3}),
        ("a = 1 # \u2028 \x85\nb = 1", {"a": 1, "b": 2}),
    ],
)  # fmt: skip
def test_key_lines(text: str, lines: dict[str, int]) -> None:
    tomllib.loads(text)
    assert {dotted(path): line for path, line in key_lines(text)} == lines


_LETTERS = st.sampled_from("ab#[]{}\"'=.\\,\n \t0é")
_KEYS = st.text(_LETTERS, max_size=4)
_SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(st.one_of(_LETTERS, st.characters(codec="utf-8")), max_size=8),
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_KEYS, inner, max_size=3)),
    max_leaves=6,
)


@given(_VALUES)
def test_a_value_written_as_toml_reads_back(value: Any) -> None:
    assert tomllib.loads(f"v = {toml_value(value)}")["v"] == value


def _styles(value: Any) -> list[str]:
    """`value` in the forms that TOML has for it, some of them over several lines."""
    forms = [toml_value(value)]
    if isinstance(value, list):
        forms.append("[ # [\n" + "".join(f"  {toml_value(v)}, # ]\n\n" for v in value) + "]")
    if isinstance(value, str) and value.isprintable() and "\\" not in value:
        if "'" not in value:
            forms += [f"'{value}'", f"'''\n{value}\n'''"]
        if '"' not in value:
            forms.append(f'"""\n{value}\n\\"""\n"""')
    return forms


@given(st.data())
def test_key_lines_of_any_document(data: st.DataObject) -> None:
    """Statements of every form one after another: each key is found where it was put."""
    text, line = "", 1
    table: KeyPath = ()
    expected: dict[KeyPath, int] = {}
    names = data.draw(st.lists(_KEYS, unique=True, max_size=8))
    for name in names:
        quoted = toml_value(name)
        match data.draw(st.sampled_from(["key", "key", "table", "array", "comment"])):
            case "key":
                piece = f"{quoted} = {data.draw(st.sampled_from(_styles(data.draw(_VALUES))))}\n"
                expected[(*table, name)] = line
            case "table":
                piece, table = f" [ {quoted} ] # ]\n", (name,)
                expected[table] = line
            case "array":
                piece = f"[[{quoted}]]\n" * 2
                table = (name, 1)
                expected |= {(name,): line + 1, (name, 0): line, table: line + 1}
            case _:
                piece = "# [a\n\n"
        text, line = text + piece, line + piece.count("\n")
    tomllib.loads(text)
    assert dict(key_lines(text)) == expected
