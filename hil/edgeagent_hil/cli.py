"""The commands that hil adds to `edgeagent`. Imports light: what a command needs, it imports itself."""

from __future__ import annotations

from typing import Annotated

import typer

from edgeagent_sdk.cli import fail, show

bench = typer.Typer(help="Load a broker and an aggregator, and measure.", no_args_is_help=True)


@bench.callback()
def _group() -> None:
    """Load a broker and an aggregator, and measure."""


@bench.command()
def load(
    broker: Annotated[
        str, typer.Option(envvar="BROKER", help="mqtt://host[:port], user:password@ allowed.")
    ] = "mqtt://127.0.0.1:1883",
    nodes: Annotated[int, typer.Option(min=1, help="Made-up nodes, one connection each.")] = 2000,
    channels: Annotated[int, typer.Option(min=1, help="Readings in each batch.")] = 10,
    interval: Annotated[float, typer.Option(min=0.01, help="Seconds from batch to batch of a node.")] = 1.0,
    duration: Annotated[float, typer.Option(min=0.1, help="Seconds of sending.")] = 60.0,
    spread: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Share of the interval over which the fleet's batches spread."),
    ] = 0.25,
    saturate: Annotated[
        bool, typer.Option("--saturate", help="Instead of an interval: as fast as acks come back.")
    ] = False,
    window: Annotated[int, typer.Option(min=1, help="With --saturate: batches in flight per node.")] = 4,
    ack_timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds without ack until a batch is sent again.")
    ] = 10.0,
    processes: Annotated[int, typer.Option(min=1, help="Processes that share the nodes.")] = 1,
    site: Annotated[str, typer.Option(help="Site of the made-up nodes.")] = "load",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Emulate a fleet of agents, and measure how soon the aggregator acknowledges.

    Fails (exit code 1) if a batch was never acknowledged, or was refused.
    """
    import msgspec

    from edgeagent_hil.load import Plan, run
    from edgeagent_hil.load.report import report
    from edgeagent_sdk.errors import EdgeError
    from edgeagent_sdk.mqtt import Broker
    from edgeagent_sdk.names import check_name

    try:
        plan = Plan(
            Broker(url=broker),
            nodes,
            channels,
            interval_s=0.0 if saturate else interval,
            duration_s=duration,
            spread=spread,
            window=window,
            ack_timeout_s=ack_timeout,
            processes=processes,
            site=check_name(site, "site"),
        )
        figures = msgspec.to_builtins(report(plan, run(plan)))
    except EdgeError as error:
        fail(error)
    if as_json:
        show([figures], (), as_json=True)
    else:
        rows = [{"figure": name, "value": value} for name, value in figures.items()]
        show(rows, ("figure", "value"), as_json=False)
    lost = figures["unacknowledged"] + figures["refused"]
    if lost:
        fail(f"{lost} of {figures['batches']} batches were not stored; does an aggregator run?")
