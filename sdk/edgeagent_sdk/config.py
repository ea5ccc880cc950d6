"""Configuration files: TOML bound to typed structs, with every mistake found at once and in its line.

A key is a field of a `msgspec.Struct`; its documentation is the field's `msgspec.Meta(description=…)`,
so that what `explain` prints, what is checked and what the program reads are one and the same.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, NamedTuple, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import inspect

from edgeagent_sdk.errors import EdgeError
from edgeagent_sdk.plugins import nearest

S = TypeVar("S", bound=msgspec.Struct)

KeyPath = tuple[str | int, ...]

#: So much of a wrong value is repeated in its message.
_SHOWN_MAX = 60


class Problem(NamedTuple):
    """One mistake: where it is, and what to do about it."""

    file: str
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.key}: {self.message}" if self.key else f"{where}: {self.message}"


class ConfigError(EdgeError):
    """A configuration that cannot be used; the text is the first problem, and how many more there are."""

    def __init__(self, problems: list[Problem]) -> None:
        more = len(problems) - 1
        tail = f" (and {more} more; see `edgeagent check`)" if more else ""
        super().__init__(f"{problems[0]}{tail}")
        self.problems = problems


@dataclass
class Document:
    """A TOML file that was read, and the problems found in it so far."""

    file: str
    data: dict[str, Any]
    lines: dict[KeyPath, int]
    problems: list[Problem] = field(default_factory=list)

    def complain(self, path: KeyPath, message: str) -> None:
        """Note a problem at a key; a key that is absent is shown at the table it is missing from."""
        at = path
        while at and at not in self.lines:
            at = at[:-1]
        self.problems.append(Problem(self.file, self.lines.get(at, 0), dotted(path), message))

    def bind(
        self, table: Mapping[str, Any], kind: type[S], path: KeyPath = (), also: Iterable[str] = ()
    ) -> S | None:
        """Make a struct of `table`; None if a problem was noted.

        Args:
            also: keys that are right as well, but bound elsewhere.
        """
        before = len(self.problems)
        known = {f.encode_name: f for f in msgspec.structs.fields(kind)}
        values: dict[str, Any] = {}
        for key, raw in table.items():
            if key not in known:
                self.complain((*path, key), f"unknown key; {nearest(key, [*known, *also])}")
                continue
            values[known[key].name] = self._value(raw, known[key].type, (*path, key))
        for key, item in known.items():
            if item.required and key not in table:
                self.complain((*path, key), "is missing")
        return self._make(kind, values, path) if len(self.problems) == before else None

    def _make(self, kind: type[S], values: Mapping[str, Any], path: KeyPath) -> S | None:
        """A struct may know more than its types say, of a file that it names for example."""
        try:
            return kind(**values)
        except ConfigError as error:
            for problem in error.problems:
                if problem.file:
                    self.problems.append(problem)
                else:
                    self.complain((*path, problem.key), problem.message)
        except ValueError as error:
            self.complain(path, str(error))
        return None

    def finish(self) -> None:
        """Raise ConfigError if there is any problem."""
        if self.problems:
            raise ConfigError(sorted(self.problems, key=lambda p: (p.line, p.key)))

    def _value(self, raw: Any, kind: Any, path: KeyPath) -> Any:
        kind = _without_none(kind) if isinstance(raw, dict) else kind
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            if isinstance(raw, dict):
                return self.bind(raw, kind, path)
            self.complain(path, f"must be a table [{dotted(path)}], not {_shown(raw)}")
            return None
        bare = get_args(kind)[0] if get_origin(kind) is Annotated else kind
        if get_origin(bare) is dict and isinstance(raw, dict):
            return {key: self._value(value, get_args(bare)[1], (*path, key)) for key, value in raw.items()}
        if (table := _table_of(bare)) and isinstance(raw, list) and all(isinstance(r, dict) for r in raw):
            return tuple(self.bind(each, table, (*path, i)) for i, each in enumerate(raw))
        try:
            return msgspec.convert(raw, kind)
        except msgspec.ValidationError as error:
            self.complain(path, _in_words(str(error), raw, kind))
            return None


def read(path: Path) -> Document:
    """Read a TOML file.

    Raises:
        ConfigError: unreadable, not UTF-8, or not TOML.
    """
    file = str(path)
    try:
        text = path.read_text("utf-8-sig")  # an editor's byte order mark does no harm
    except UnicodeDecodeError as error:
        raise ConfigError([Problem(file, 0, "", f"is not UTF-8 text (byte {error.start})")]) from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigError([Problem(file, 0, "", f"cannot be read: {reason}")]) from None
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message, line = _toml_error(str(error), text)
        raise ConfigError([Problem(file, line, "", f"not TOML: {message}")]) from None
    except (ValueError, RecursionError):
        why = "a number has too many digits, or brackets are nested too deep"
        raise ConfigError([Problem(file, 0, "", f"not TOML that can be read: {why}")]) from None
    return Document(file, data, dict(key_lines(text)))


def load(path: Path, kind: type[S]) -> S:
    """Read a file into a struct. Raises ConfigError with every problem in it."""
    document = read(path)
    result = document.bind(document.data, kind)
    document.finish()
    assert result is not None
    return result


def explain(kind: type[msgspec.Struct], prefix: str = "") -> Iterator[dict[str, str]]:
    """One row for each key: ``key``, ``type``, ``default`` and ``meaning``; tables follow their own keys."""
    tables = []
    for item in msgspec.structs.fields(kind):
        key = f"{prefix}{item.encode_name}"
        if isinstance(item.type, type) and issubclass(item.type, msgspec.Struct):
            tables.append((item.type, f"{key}."))
            continue
        if table := _table_of(get_args(item.type)[0] if get_origin(item.type) is Annotated else item.type):
            tables.append((table, f"{key}[]."))
        yield {
            "key": key,
            "type": type_in_words(item.type),
            "default": "(required)" if item.required else toml_value(_default(item)),
            "meaning": description(item.type),
        }
    for table, name in tables:
        yield from explain(table, name)


def description(kind: Any) -> str:
    """The documentation in a field's annotation."""
    info = inspect.type_info(kind)
    found = ""
    while isinstance(info, inspect.Metadata):
        found = (info.extra_json_schema or {}).get("description", found)
        info = info.type
    return str(found)


def type_in_words(kind: Any) -> str:
    """What a key takes, for people: ``number ≥ 0.05``."""
    return _words(inspect.type_info(kind))


def toml_value(value: Any) -> str:
    """`value` as it would stand in a TOML file."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            # JSON's escapes are TOML's, but for DEL, which TOML wants escaped as well.
            return msgspec.json.encode(value).decode().replace("\x7f", "\\u007f")
        case dict():
            return (
                "{ " + ", ".join(f"{_toml_key(k)} = {toml_value(v)}" for k, v in value.items()) + " }"
                if value
                else "{}"
            )
        case list() | tuple():
            return "[" + ", ".join(toml_value(v) for v in value) + "]"
        case _:
            return str(value)


def dotted(path: KeyPath) -> str:
    """``("device", 0, "name")`` → ``device[0].name``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f"{'.' if text else ''}{_toml_key(part)}"
    return text


_BARE = re.compile(r"[A-Za-z0-9_-]+")

#: What decides where a statement ends: strings and comments hide brackets and line ends.
_TOKEN = re.compile(
    r"""
    \"{3} (?:[^\\]|\\.)*? \"{3,5} | '{3} .*? '{3,5}     # strings over several lines
    | " (?:[^"\\\n]|\\.)* " | ' [^'\n]* ' | \# [^\n]*   # strings in one line, comments
    | [\[\]{}\n]
    """,
    re.VERBOSE | re.DOTALL,
)
_QUOTED = r"""\"(?:[^"\\]|\\.)*\"|'[^']*'"""
_TABLE = re.compile(rf"""(\[\[?)((?:{_QUOTED}|[^]"'#])+)\]\]?\s*(?:\#.*)?""")
_KEY = re.compile(rf"""(?:{_QUOTED}|[^="'#])+(?==)""")


def _without_none(kind: Any) -> Any:
    """The table of a field that may be absent; any other kind as it is."""
    others = [each for each in get_args(kind) if each is not NoneType]
    return others[0] if get_origin(kind) in (Union, UnionType) and len(others) == 1 else kind


def _table_of(kind: Any) -> type[msgspec.Struct] | None:
    """The struct of a field that is a tuple of tables."""
    inner = get_args(kind)[0] if get_origin(kind) is tuple else None
    return inner if isinstance(inner, type) and issubclass(inner, msgspec.Struct) else None


def _toml_key(key: str) -> str:
    return key if _BARE.fullmatch(key) else toml_value(key)


def key_lines(text: str) -> Iterator[tuple[KeyPath, int]]:
    """Where each key of a (valid) TOML text stands: its path, and its line counted from 1.

    Keys within inline tables and arrays are found at the line where those begin.
    """
    table: KeyPath = ()
    counts: dict[KeyPath, int] = {}
    for number, statement in _statements(text):
        if header := _TABLE.fullmatch(statement):
            table = _resolve(_path(header[2]), counts)
            if header[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                yield table, number
                table = (*table, counts[table])
            yield table, number
        elif key := _KEY.match(statement):
            keys = _path(key[0])
            for depth in range(1, len(keys) + 1):
                yield (*table, *keys[:depth]), number


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Headers, and keys with their values: the line on which each begins, and its text."""
    begin, line, depth = 0, 1, 0
    for token in _TOKEN.finditer(f"{text}\n"):
        if token[0] in "[{":
            depth += 1
        elif token[0] in "]}":
            depth -= 1
        elif token[0] == "\n" and depth == 0:
            yield line, text[begin : token.start()].strip()
            line += text.count("\n", begin, token.end())
            begin = token.end()


def _path(key: str) -> tuple[str, ...]:
    """A dotted key taken apart, its quotes and escapes resolved by who knows best."""
    found: list[str] = []
    table = tomllib.loads(f"{key} = 0")
    while isinstance(table, dict):
        [(name, table)] = table.items()
        found.append(name)
    return tuple(found)


def _resolve(keys: tuple[str, ...], counts: Mapping[KeyPath, int]) -> KeyPath:
    """A header's path; where it passes through an array of tables, through the last of them."""
    path: KeyPath = ()
    for i, key in enumerate(keys):
        path = (*path, key)
        if i < len(keys) - 1 and path in counts:
            path = (*path, counts[path])
    return path


def _toml_error(message: str, text: str) -> tuple[str, int]:
    match = re.search(r" \(at line (\d+), column (\d+)\)| \(at end of document\)", message)
    if match is None:
        return message, 0
    reason = message[: match.start()]
    line = int(match[1]) if match[1] else len(text.splitlines())
    return f"{reason[:1].lower()}{reason[1:]} (column {match[2]})" if match[2] else reason.lower(), line


def _default(item: msgspec.structs.FieldInfo) -> Any:
    return item.default if item.default is not msgspec.NODEFAULT else item.default_factory()


def _in_words(error: str, raw: Any, kind: Any) -> str:
    at = error.partition(" - at `$")[2].rstrip("`")
    return f"must be {type_in_words(kind)}, not {_shown(raw)}" + (f" (at {at})" if at else "")


def _shown(raw: Any) -> str:
    text = toml_value(raw)
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}…"


_SIMPLE = {
    inspect.BoolType: "true or false",
    inspect.AnyType: "any value",
}


def _words(info: inspect.Type) -> str:
    match info:
        case inspect.Metadata():
            # A pattern is for machines; where there is one, Meta(title=…) says it in words.
            return str((info.extra_json_schema or {}).get("title") or _words(info.type))
        case inspect.IntType() | inspect.FloatType():
            return ("a whole number" if isinstance(info, inspect.IntType) else "a number") + _bounds(info)
        case inspect.StrType():
            return f"text like {info.pattern}" if info.pattern else "text"
        case inspect.LiteralType():
            return " or ".join(f'"{value}"' for value in info.values)
        case inspect.ListType() | inspect.VarTupleType():
            return f"a list [{_words(info.item_type)}, …]"
        case inspect.TupleType():
            return "[" + ", ".join(_words(item) for item in info.item_types) + "]"
        case inspect.StructType():
            return "a table"
        case inspect.DictType():
            return f"a table {{ name = {_words(info.value_type)}, … }}"
        case inspect.UnionType():
            return " or ".join(_words(kind) for kind in info.types)
        case _:
            return _SIMPLE.get(type(info), type(info).__name__.removesuffix("Type").lower())


def _bounds(info: inspect.IntType | inspect.FloatType) -> str:
    signs = (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))
    found = [f"{sign} {getattr(info, name)}" for name, sign in signs if getattr(info, name) is not None]
    return f" {' and '.join(found)}" if found else ""
