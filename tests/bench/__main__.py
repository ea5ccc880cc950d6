"""Run rows, print the table, write `build/bench.json`: ``python -m tests.bench [row …]``."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from edgeagent_sdk.plugins import nearest
from tests.bench.machine import Foreign
from tests.bench.table import Bench, RowFunction, rows, summary

#: Cores kept busy by others from which on figures deserve distrust.
_FOREIGN_CORES = 0.1


def main(arguments: Sequence[str] | None = None) -> int:
    """0 if every row ran and met its targets."""
    options = _options(arguments)
    known = rows()
    if options.list:
        for name, function in known.items():
            print(f"{name:24} {(function.__doc__ or '').splitlines()[0]}")
        return 0
    unknown = [name for name in options.rows if name not in known]
    if unknown:
        print(f"bench: unknown row {unknown[0]!r}; {nearest(unknown[0], list(known))}", file=sys.stderr)
        return 2
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    console.print(f"{os.cpu_count()} cores; load average {load}")
    objects: list[dict[str, Any]] = []
    failed = False
    for name in options.rows or known:
        failed |= not _run(name, known[name], options.seconds, objects, console)
        _write(options.output, objects)
    _print(objects, console)
    missed = any(entry["met"] is False for entry in objects)
    return 1 if failed or missed else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("rows", nargs="*", help="rows to run; all if none is named")
    parser.add_argument("--list", action="store_true", help="name the rows")
    parser.add_argument("--output", type=Path, default=Path("build/bench.json"))
    parser.add_argument(
        "--seconds", type=float, default=1.0, help="factor on how long steady states are measured"
    )
    return parser.parse_args(arguments)


def _run(
    name: str, function: RowFunction, seconds: float, objects: list[dict[str, Any]], console: Console
) -> bool:
    """Run one row; False if it could not be measured. Its figures stand in `objects` as they come."""
    doing = (function.__doc__ or name).splitlines()[0]
    console.print(f"[bold]{name}[/]: {escape(doing)}")
    try:
        with tempfile.TemporaryDirectory(prefix=f"bench-{name}-") as directory, Foreign() as foreign:
            for figure in function(Bench(Path(directory), seconds)):
                objects.extend(figure.objects(name))
    except Exception as error:  # whatever it is, the other rows are measured all the same
        console.print(f"  [red]not measured[/]: {escape(f'{type(error).__name__}: {error}')}")
        return False
    for entry in objects:
        if entry["row"] == name:
            entry["foreign_cores"] = round(foreign.cores, 2)
    if foreign.cores > _FOREIGN_CORES:
        console.print(
            f"  [yellow]others kept {foreign.cores:.1f} of {os.cpu_count()} cores busy[/]: "
            "run it again on a quiet machine"
        )
    return True


def _write(path: Path, objects: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(objects, indent=2, ensure_ascii=False) + "\n", "utf-8")


_MET = {None: "", True: "[green]yes[/]", False: "[red]NO[/]"}


def _print(objects: list[dict[str, Any]], console: Console) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading, side in (
        ("what", "left"),
        ("value", "right"),
        ("unit", "left"),
        ("target", "left"),
        ("met", "left"),
        ("peer", "left"),
        ("peer's value", "right"),
        ("ratio", "right"),
    ):
        table.add_column(heading, justify=side)  # type: ignore[arg-type]
    before = ""
    for entry in objects:
        own = ("", "", "", "", "") if entry["name"] == before else _own(entry)
        table.add_row(*own, entry["peer"] or "", _number(entry["peer_value"]), _number(entry["ratio"]))
        before = entry["name"]
    console.print(table)
    console.print(summary(objects))
    for note in dict.fromkeys(f"{entry['name']}: {entry['note']}" for entry in objects if entry["note"]):
        console.print(f"  {note}", style="dim", markup=False)


def _own(entry: dict[str, Any]) -> tuple[str, ...]:
    return (
        escape(entry["name"]),
        _number(entry["value"]),
        escape(entry["unit"]),
        entry["target"] or "",
        _MET[entry["met"]],
    )


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


if __name__ == "__main__":
    sys.exit(main())
