"""`edgeagent rig run curtailment`: an order to draw less, with real programs around a twin site."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Annotated, Any, Final

import typer

from edgeagent_hil.curtailment import judge
from edgeagent_hil.curtailment import plot as picture
from edgeagent_hil.curtailment.course import LESS, VICTIMS, Course
from edgeagent_hil.curtailment.plant import plant
from edgeagent_sdk.cli import fail, show
from edgeagent_sdk.errors import EdgeError
from edgeagent_sdk.plugins import nearest

_COLUMNS: Final = (
    "phase", "lasted_s", "settled_s", "limit_kw", "to_limit_s", "mean_kw", "highest_kw", "seconds_above",
    "worst_above_w", "caps_in_force", "work",
)  # fmt: skip


def curtailment(
    agents: Annotated[int, typer.Option(min=1, max=200, help="Servers, each with an agent of its own.")] = 32,
    phase: Annotated[
        float, typer.Option(metavar="SECONDS", min=2.0, help="Each phase lasts so long once it has settled.")
    ] = 45.0,
    lease: Annotated[
        float, typer.Option(metavar="SECONDS", min=5.0, help="How long caps hold unless they are renewed.")
    ] = 15.0,
    kill: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WHO", help="Kill the optimizer or the broker; again for both.", show_default="both"
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds, equal servers and equal work.")] = 0,
    plot: Annotated[Path | None, typer.Option(metavar="FILE.svg", help="Draw the run.")] = None,
    state_dir: Annotated[
        Path | None,
        typer.Option(help="Keep files and logs, in a new directory there.", show_default="they are removed"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Order a site to draw a quarter less, then kill the optimizer and the broker under the order.

    Agents, broker, aggregator and optimizer are processes of their own; the servers are the twin's, whose
    power limits obey. What is drawn is measured in the twin. Fails if the order is not obeyed in 10 s, or
    any second after that is above what may be drawn.
    """
    for victim in set(kill or ()) - set(VICTIMS):
        fail(f"--kill {victim}: {nearest(victim, list(VICTIMS))}")
    with ExitStack() as stack:
        home = _home(state_dir, stack)
        course = Course(
            plant(agents, seed),
            home,
            seed=seed,
            lease_s=lease,
            phase_s=phase,
            victims=kill or VICTIMS,
            say=_say,
        )
        trouble = ""
        try:
            course.run()
        except EdgeError as error:
            trouble = str(error)
        except KeyboardInterrupt:
            trouble = "stopped before its end"
    record = course.record()
    _tell(record, course, as_json=as_json)
    if plot and record.phases and record.seconds:
        try:
            plot.write_text(picture.draw(record), "utf-8")
        except OSError as error:
            trouble = trouble or f"{plot}: {(error.strerror or str(error)).lower()}"
    if found := [*([trouble] if trouble else []), *judge.failures(record)]:
        fail("\nedgeagent: ".join(found))


def _home(state_dir: Path | None, stack: ExitStack) -> Path:
    """A directory that is new: an optimizer would go on with the orders of an earlier run."""
    if state_dir is None:
        return Path(stack.enter_context(TemporaryDirectory(prefix="curtailment-")))
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        return Path(mkdtemp(prefix="run-", dir=state_dir.absolute()))
    except OSError as error:
        fail(f"{state_dir}: {(error.strerror or str(error)).lower()}; give another --state-dir")


def _tell(record: judge.Record, course: Course, *, as_json: bool) -> None:
    rows = list(judge.rows(record))
    reckoned_w, drawn_w = record.baseline_w or (None, None)
    facts: dict[str, Any] = {
        "contract_w": course.contract_w,
        "baseline_w": reckoned_w,
        "baseline_of_twin_w": drawn_w,
        "behind_s": record.behind_s,
    }
    if as_json:
        show([facts | {"phases": rows}], (), as_json=True)
        return
    show(rows, _COLUMNS, as_json=False, empty="No phase has begun.")
    if reckoned_w and drawn_w:
        print(
            f"The order: {LESS:.0%} less than {reckoned_w / 1e3:.2f} kW "
            f"(in that time the twin drew {drawn_w / 1e3:.2f} kW)."
        )
    print(f"The twin was at most {record.behind_s:.1f} s behind the clock.")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
