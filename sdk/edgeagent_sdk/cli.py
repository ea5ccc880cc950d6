"""What every command of ours shares at the terminal: tables that can also be JSON, and one-line failures."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn


def fail(message: object, code: int = 1) -> NoReturn:
    """Print one line to stderr and exit with `code`."""
    print(f"edgeagent: {message}", file=sys.stderr)
    raise SystemExit(code)


def show(
    rows: Iterable[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool, empty: str = "nothing"
) -> None:
    """Print rows as a table, or with `as_json` as a JSON list of objects with all their keys."""
    rows = list(rows)
    if as_json:
        import msgspec

        print(msgspec.json.format(msgspec.json.encode(rows), indent=2).decode())
    elif not rows:
        print(empty)
    else:
        from rich.console import Console

        Console(highlight=False, width=None if sys.stdout.isatty() else 160).print(table(rows, columns))


def table(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], title: str = "") -> Any:
    """A rich table of `columns`; numbers stand at the right."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    rows = list(rows)
    result = Table(box=SIMPLE_HEAD, title=title or None, title_justify="left", pad_edge=False)
    for column in columns:
        numeric = any(isinstance(row.get(column), int | float) for row in rows)
        result.add_column(column.replace("_", " "), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        result.add_row(*(Text(_cell(row.get(column))) for column in columns))
    return result


def _cell(value: Any) -> str:
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
        case int():
            return f"{value:,}"
        case _:
            return str(value)
