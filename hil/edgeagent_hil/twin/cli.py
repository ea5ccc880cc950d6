"""`edgeagent rig twin`: a site in virtual time, or as real devices in real time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgeagent_sdk.cli import fail, show
from edgeagent_sdk.errors import EdgeError

if TYPE_CHECKING:
    from edgeagent_hil.exposed import Runner

#: A live table is drawn anew this often.
_DRAW_S = 1.0


def twin(
    servers: Annotated[int, typer.Option(min=1, max=100_000, help="How many.")] = 100,
    kind: Annotated[
        str, typer.Option(help="Kind of server: a name, or the path of a .toml file of your own.")
    ] = "x3550m3",
    load: Annotated[float, typer.Option(min=0.0, max=1.0, help="Mean demand, as a share.")] = 0.6,
    sysfs: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Show the first server as /sys and /proc under DIR.")
    ] = None,
    meter: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Serve the grid meter by Modbus TCP (SunSpec 203).")
    ] = "",
    speed: Annotated[
        float | None,
        typer.Option(min=0.0, help="Times real time, 0 as fast as it goes; default 1 with devices, else 0."),
    ] = None,
    seconds: Annotated[
        float, typer.Option("--for", min=1.0, help="Seconds of the twin's time; Ctrl-C ends it early.")
    ] = 3600.0,
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds, equal runs.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON at the end.")] = False,
) -> None:
    """Run a twin of a site: servers in racks, their cooling, their grid connection."""
    from contextlib import ExitStack

    from edgeagent_hil.exposed import Device, Runner
    from edgeagent_hil.twin import design, kinds
    from edgeagent_hil.twin.workload import Workload

    try:
        site = design.site([kinds.load(kind)], [servers], seed=seed)
        workload = Workload(site.servers.shape, seed, mean=load)
        with ExitStack() as stack:
            devices: list[Device] = []
            if sysfs:
                from edgeagent_hil.exposed.sysfs import SysfsTree

                devices.append(stack.enter_context(SysfsTree(sysfs, site)))
            if meter:
                from edgeagent_hil.exposed.meter import Meter

                devices.append(stack.enter_context(Meter(site, *_address(meter))))
            pace = speed if speed is not None else float(bool(devices))
            runner = Runner(site, workload, devices, speed=pace)
            try:
                _run(runner, seconds, live=bool(devices) and not as_json)
            except KeyboardInterrupt:
                pass  # what it has come to is shown all the same
    except EdgeError as error:
        fail(error)
    figures = table(runner)
    if as_json:
        show([figures], (), as_json=True)
    else:
        show([{"figure": k, "value": v} for k, v in figures.items()], ("figure", "value"), as_json=False)


def table(runner: Runner) -> dict[str, Any]:
    """What a site does now, for people."""
    state, outputs = runner.state, runner.outputs
    done = outputs.servers
    return {
        "time_s": round(state.time_s, 1),
        "servers": runner.site.servers.shape[1],
        "grid_kw": outputs.grid_w / 1e3,
        "it_kw": outputs.it_w / 1e3,
        "pue": outputs.pue,
        "grid_kwh": float(state.grid_j.sum()) / 3.6e6,
        "junction_mean_c": float(done.junction_c[runner.site.servers.chips.exists > 0].mean()),
        "junction_max_c": float(done.junction_c.max()),
        "room_c": state.room_c,
        "outlet_max_c": float(done.case_c.max()),
        "coolant_supply_c": float(state.loops.supply_c.max()),
        "coolant_return_c": float(state.loops.return_c.max()),
        "limited_components": int(done.limited.sum()),
        "racks_closed": int(state.racks.closed.sum()),
        "racks_tripped": int((~state.racks.closed).sum()),
        "main_breaker": "closed" if state.main.closed.all() else "tripped",
        "behind_s": runner.behind_s,
    }


def _run(runner: Runner, seconds: float, *, live: bool) -> None:
    """To the end; at a terminal with a table that follows."""
    from rich.console import Console
    from rich.live import Live

    from edgeagent_sdk.cli import table as drawn

    console = Console(highlight=False)
    if not (live and console.is_terminal):
        runner.run(seconds)
        return

    def picture() -> Any:
        rows = [{"figure": name, "value": value} for name, value in table(runner).items()]
        return drawn(rows, ("figure", "value"))

    with Live(get_renderable=picture, console=console, refresh_per_second=1 / _DRAW_S, transient=True):
        runner.run(seconds)


def _address(text: str) -> tuple[str, int]:
    """Host and port. Raises EdgeError."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise EdgeError(f"--meter {text!r}: not HOST:PORT, e.g. 127.0.0.1:5020")
    return host, int(port)
