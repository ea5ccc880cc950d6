"""`edgeagent rig dvfs`: governors of clocks against each other, on twin boards in virtual time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from edgeagent_hil.dvfs import boards, contestants, workloads
from edgeagent_hil.dvfs.cases import Case, Result, results
from edgeagent_hil.dvfs.scenario import Gap
from edgeagent_sdk.cli import fail, show
from edgeagent_sdk.errors import EdgeError

#: Seconds of learning, and some to be judged in.
_SHORTEST_S: Final = 70

_VIRTUAL_S: Final = 600
_LIVE_S: Final = 120

_COLUMNS: Final = (
    "governor", "J_per_unit", "of_limit", "misses_%", "s_over_limit", "s_over_cap", "switches", "latency_ms",
    "units",
)  # fmt: skip


def dvfs(
    board: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME|FILE", help="Board, or the path of a .toml file; again for more."),
    ] = None,
    workload: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Workload; again for more.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All workloads; without --board on all boards.")
    ] = False,
    governor: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|package:object", help="Governor beside the clairvoyant; by default all there are."
        ),
    ] = None,
    seconds: Annotated[
        int | None,
        typer.Option(
            "--for",
            min=_SHORTEST_S,
            help="Seconds of virtual time, the first 60 to learn; of real time with --live.",
            show_default=f"{_VIRTUAL_S}; {_LIVE_S} with --live",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds, equal futures.")] = 0,
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder with llm_requests/; without it requests are made up."),
    ] = None,
    silent: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SENSOR:FROM-TO",
            help="Let a sensor tell nothing for some seconds: power, case, or a domain's temperature.",
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE.svg", help="Draw: one case over time, or many side by side.")
    ] = None,
    names: Annotated[
        bool, typer.Option("--list", help="Show boards, workloads and governors, and end.")
    ] = False,
    live: Annotated[
        bool, typer.Option("--live", help="On this machine, with a real model and a cgroup's quota as clock.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare governors of clocks on twin boards, in virtual time.

    All meet the same arrivals, work, ambient, dust and caps; the clairvoyant, which knows them and the
    plant, is the limit.
    """
    try:
        if names:
            show(_inventory(), ("kind", "name", "about"), as_json=as_json)
        elif live:
            import_module("edgeagent_hil.dvfs.live").show_live(seconds or _LIVE_S, as_json=as_json)
        else:
            _check_plot(plot)
            against, gaps = _governors(governor), _gaps(silent or ())
            places = _places(board, workload, everything)
            _check_sensors(gaps, places)
            cases = [Case(*place, against, seconds or _VIRTUAL_S, seed, data, gaps) for place in places]
            done = _shown(results(cases), as_json)
            if plot:
                from edgeagent_hil.dvfs.plot import draw

                plot.write_text(draw(done))
    except EdgeError as error:
        fail(error)
    except OSError as error:
        fail(f"{error.filename}: {(error.strerror or str(error)).lower()}")
    except KeyboardInterrupt:
        fail("interrupted", 130)


def _governors(chosen: list[str] | None) -> list[str]:
    """The clairvoyant and who is asked for; all of them exist. Raises EdgeError."""
    names = list(dict.fromkeys([*contestants.ALL_KNOWING, *(chosen or contestants.names())]))
    for name in names:
        contestants.contestant(name)
    return names


def _places(
    chosen_boards: list[str] | None, chosen_workloads: list[str] | None, everything: bool
) -> list[tuple[str, str]]:
    """Boards and workloads that are asked for; all of them exist. Raises EdgeError."""
    of_boards = chosen_boards or (boards.names() if everything else ["rk3399"])
    of_workloads = workloads.names() if everything else chosen_workloads or ["periodic"]
    for name in of_workloads:
        workloads.check(name)
    loaded = {name: boards.board(name) for name in of_boards}
    return [
        (name, work)
        for name in of_boards
        for work in of_workloads
        if not everything or workloads.fits(work, loaded[name])
    ]


def _gaps(chosen: Iterable[str]) -> tuple[Gap, ...]:
    try:
        return tuple(map(Gap.parse, chosen))
    except ValueError:
        raise EdgeError(
            f"--silent {' '.join(chosen)}: not SENSOR:FROM-TO in seconds, e.g. power:120-180"
        ) from None


def _check_sensors(gaps: Iterable[Gap], places: Iterable[tuple[str, str]]) -> None:
    """That each sensor to be silent is one of the boards'. Raises EdgeError."""
    of_boards = dict.fromkeys(name for name, _ in places)
    known = list(dict.fromkeys(sensor for name in of_boards for sensor in boards.board(name).sensors))
    for gap in gaps:
        if gap.sensor not in known:
            raise EdgeError(
                f"--silent: no sensor {gap.sensor!r} on {', '.join(of_boards)}; known: {', '.join(known)}"
            )


def _shown(groups: Iterator[list[Result]], as_json: bool) -> list[Result]:
    """Show each case as it comes, or all of them as JSON at the end."""
    done: list[Result] = []
    for group in groups:
        done += group
        if not as_json:
            print(f"{group[0].board}, {group[0].workload}: {workloads.about(group[0].workload)}")
            if group[0].note:
                print(group[0].note)
            show(map(_row, group), _COLUMNS, as_json=False)
            for result in filter(lambda result: result.proof, group):
                print(f"The limit is {result.proof}.")
    if as_json:
        show(_json(done), (), as_json=True)
    return done


def _row(result: Result) -> dict[str, Any]:
    score = result.score
    return {
        "governor": result.governor + (" (switched itself off)" if score.off_s is not None else ""),
        "J_per_unit": score.unit_j,
        "of_limit": result.ratio,
        "misses_%": 100 * score.misses,
        "s_over_limit": score.over_limit_s,
        "s_over_cap": score.over_cap_s,
        "switches": score.switches,
        "latency_ms": 1e3 * score.latency_s,
        "units": score.units,
    }


def _json(done: Iterable[Result]) -> Iterator[dict[str, Any]]:
    for result in done:
        row = msgspec.to_builtins(result)
        del row["track"]
        yield row | row.pop("score")


def _inventory() -> list[dict[str, Any]]:
    return [
        *({"kind": "board", "name": name, "about": boards.board(name).kind.title} for name in boards.names()),
        *({"kind": "workload", "name": name, "about": workloads.about(name)} for name in workloads.names()),
        *({"kind": "governor", "name": name, "about": None} for name in contestants.names()),
    ]


def _check_plot(plot: Path | None) -> None:
    """That it can be written is known before, not after, an hour of runs. Raises EdgeError."""
    if plot and plot.suffix != ".svg":
        raise EdgeError(f"--plot {plot}: it draws .svg files only")
    if plot and not plot.absolute().parent.is_dir():
        raise EdgeError(f"--plot {plot}: no such directory: {plot.parent}")
