"""``edgeagent optimize power backtest``: the table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgeagent_sdk.cli import show

if TYPE_CHECKING:
    from edgeagent_central.optimize.power.backtest.run import Score

_COLUMNS = (
    "budget",
    "contestant",
    "work_of_bound_%",
    "satisfied_%",
    "top_priority_%",
    "violations",
    "worst_kw",
    "breaker_s",
    "rejected",
    "churn_per_min",
    "energy_mwh",
    "p50_ms",
    "p99_ms",
)

_ORDER_COLUMNS = (
    "phase",
    "seconds",
    "limit_kw",
    "reached_s",
    "mean_kw",
    "highest_kw",
    "seconds_above",
    "worst_above_w",
    "violations_below",
    "satisfied_%",
    "top_priority_%",
)


def backtest(
    data: Annotated[Path, typer.Option(help="Folder with llm_requests/ and gpu_power_limits/.")],
    servers: Annotated[
        int, typer.Option(min=24, max=1_000_000, help="How many servers the site has.")
    ] = 10_000,
    seconds: Annotated[
        int, typer.Option("--for", min=10, help="Seconds that count, after 180 to learn.")
    ] = 300,
    budget: Annotated[
        list[float] | None,
        typer.Option(
            min=0.4,
            max=2.0,
            help="The contract over the unconstrained peak; again for more.",
            show_default="0.7 0.8 0.9",
        ),
    ] = None,
    silent: Annotated[
        float, typer.Option(min=0.0, max=0.5, help="Share of servers that do not answer.")
    ] = 0.05,
    extra: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="So many more servers under the same limits.")
    ] = 0.0,
    only: Annotated[
        list[str] | None, typer.Option(help="Contestant; again for more.", show_default="all")
    ] = None,
    order: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            max=0.9,
            metavar="SHARE",
            help="Instead: an order to draw so much less, for --for seconds.",
        ),
    ] = None,
    diversity: Annotated[
        bool,
        typer.Option(help="With --order: reckon upper domains with diversity, or by the sum of the caps."),
    ] = True,
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds, equal futures.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Allocate a budget on a made-up site of real work, against what people do today and the limit.

    Demand comes from a production trace of requests and from jobs measured at seven power limits; the limit
    is the best that anybody could do who knows all of it beforehand.
    """
    from edgeagent_central.optimize.power.backtest.compare import CONTESTANTS, Case, compare
    from edgeagent_sdk.errors import EdgeError
    from edgeagent_sdk.plugins import nearest

    if order:
        from edgeagent_central.optimize.power.backtest.orders import Ordered, ordered

        tried = [
            Ordered(data, servers, order, seconds, each, silent, seed, diversity=diversity)
            for each in budget or (0.8,)
        ]
        show([row for case in tried for row in ordered(case)], _ORDER_COLUMNS, as_json=as_json)
        return
    for name in only or ():
        if name not in CONTESTANTS:
            raise EdgeError(f"no contestant {name!r}; {nearest(name, list(CONTESTANTS))}")
    cases = [Case(data, servers, seconds, seed, silent, each, extra) for each in budget or (0.7, 0.8, 0.9)]
    rows = [_row(case.budget, score) for case, score in compare(cases, only or list(CONTESTANTS))]
    show(rows, _COLUMNS, as_json=as_json)


def _row(budget: float, score: Score) -> dict[str, Any]:
    return {
        "budget": f"{budget:.0%}",
        "contestant": score.name,
        "work_of_bound_%": round(100 * score.work, 2),
        "satisfied_%": round(100 * score.satisfied, 2),
        "top_priority_%": round(100 * score.urgent, 2),
        "violations": score.broken,
        "worst_kw": round(score.worst_kw, 2),
        "breaker_s": score.warm_s,
        "rejected": score.rejected,
        "churn_per_min": round(score.churn, 1),
        "energy_mwh": round(score.energy_mwh, 3),
        "p50_ms": round(1e3 * score.solve_s[0], 1),
        "p99_ms": round(1e3 * score.solve_s[1], 1),
    }
