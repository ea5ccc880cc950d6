"""`edgeagent model`: what a model file takes and gives, and what it costs here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgeagent.cli import options
from edgeagent_sdk.cli import show as show_rows
from edgeagent_sdk.errors import EdgeError

if TYPE_CHECKING:
    from edgeagent.drivers.model.portrait import Portrait

model = typer.Typer(help="Models for the driver `model`.", no_args_is_help=True)


@model.callback()
def _model() -> None:
    """Keeps `show` a command of its own while there is no other."""


@model.command("show")
def show(
    file: Annotated[Path, typer.Argument(help="A model: .onnx or .tflite.")], json: options.Json = False
) -> None:
    """Show what a model takes and gives, its operators, and how long an inference takes on this machine."""
    from edgeagent.drivers.model.portrait import portrait
    from edgeagent.drivers.model.runtimes import SUFFIXES

    if file.suffix.lower() not in SUFFIXES:
        raise EdgeError(f"{file}: a model's name ends in {' or '.join(SUFFIXES)}")
    found = portrait(file)
    rows = [*_rows("input", found.loaded.inputs), *_rows("output", found.loaded.outputs)]
    if json:
        show_rows([_summary(file, found) | {"tensors": rows}], [], as_json=True)
        return
    show_rows(rows, ["direction", "tensor", "shape", "type"], as_json=False)
    for line in _lines(file, found):
        print(line)


def _rows(direction: str, tensors: Sequence[Any]) -> list[dict[str, Any]]:
    from edgeagent.drivers.model.layout import in_words

    return [
        {"direction": direction, "tensor": each.name, "shape": in_words(each.shape), "type": each.dtype}
        for each in tensors
    ]


def _summary(file: Path, found: Portrait) -> dict[str, Any]:
    latencies_s = found.latencies_s
    return {
        "file": str(file),
        "bytes": file.stat().st_size,
        "runtime": found.loaded.summary,
        "operators": dict(Counter(found.loaded.operators).most_common()),
        "options": [place._asdict() for place in found.places],
        "latency_s": latencies_s[len(latencies_s) // 2] if latencies_s else None,
        "latency_p99_s": latencies_s[len(latencies_s) * 99 // 100] if latencies_s else None,
        "resident_bytes": found.resident_bytes or None,
    }


def _lines(file: Path, found: Portrait) -> list[str]:
    told = _summary(file, found)
    operators = ", ".join(f"{count} {name}" for name, count in told["operators"].items())
    lines = [f"{told['bytes']:,} bytes, run by {told['runtime']}; operators: {operators or 'not told'}"]
    if not found.places:
        return [
            *lines,
            "The driver gives a model one input of floats, (1, window, inputs) or (1, inputs): not this.",
        ]
    fitting = [
        f'{inputs} inputs, window = {window}, layout = "{layout}"' for layout, window, inputs in found.places
    ]
    lines.append(f"In agent.toml: {'; or '.join(fitting)}.")
    if told["latency_s"]:
        lines.append(
            f"An inference takes {1e3 * told['latency_s']:.2f} ms here, 1 of 100 more than "
            f"{1e3 * told['latency_p99_s']:.2f} ms; its process {told['resident_bytes'] / 1e6:.0f} MB."
        )
    return lines
