"""`edgeagent dvfs`: what the governor of a running agent has decided, and why."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from edgeagent.cli import options
from edgeagent.cli.fleet import BrokerUrl, Node, fleet, must_be_online, must_be_taken, one
from edgeagent_sdk.cli import show
from edgeagent_sdk.errors import EdgeError

_REFRESH_S = 1.0

dvfs = typer.Typer(
    help="The governor that sets the clocks of CPUs and GPUs (driver `dvfs`).", no_args_is_help=True
)


@dvfs.callback()
def _dvfs() -> None:
    """Keeps `status` a command of its own while there is no other."""


@dvfs.command("status")
def status(
    node: Node = "",
    broker: BrokerUrl = "",
    watch: Annotated[bool, typer.Option("--watch", help="Print it anew each second, until Ctrl-C.")] = False,
    config: options.Config = None,
    json: options.Json = False,
) -> None:
    """Explain the last decision in numbers: clocks, heat, sessions, power, and what bounds each."""
    with fleet(config, broker, node) as (client, identity):
        must_be_online(client, one(identity))
        while True:
            reply = client.command(*one(identity), "explain", {})
            must_be_taken(reply)
            governors = {
                name: told for name, told in reply.holds.get("devices", {}).items() if "governor" in told
            }
            if not governors:
                raise EdgeError(_none(config, broker))
            if watch and not json and sys.stdout.isatty():
                print("\x1b[H\x1b[2J", end="")
            _tell(governors, as_json=json)
            if not watch:
                return
            sys.stdout.flush()
            time.sleep(_REFRESH_S)


def _none(config: Path | None, broker: str) -> str:
    where = "there" if broker else f"by {options.find_config(config)}"
    return f'no governor runs {where}: add a [[device]] with driver = "dvfs", and reload the agent'


def _tell(governors: dict[str, dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        show([{"device": name, **told} for name, told in governors.items()], [], as_json=True)
        return
    for name, told in governors.items():
        print("\n".join(_head(name, told)))
        if told["domains"]:
            show([_domain_row(told, row) for row in told["domains"]], _DOMAIN_COLUMNS, as_json=False)
        if told["sessions"]:
            show([_session_row(row) for row in told["sessions"]], _SESSION_COLUMNS, as_json=False)


def _head(name: str, told: dict[str, Any]) -> Iterator[str]:
    if told["trouble"]:
        yield f"{name}: governor {told['governor']} does not run: {told['trouble']}"
    elif told["age_s"] is None:
        yield f"{name}: governor {told['governor']} has not decided anything yet"
    else:
        yield (
            f"{name}: governor {told['governor']} decided {told['age_s']:.1f} s ago, "
            f"in {told['took_s'] * 1e3:.2f} ms: {told['why'] or 'without a word'}"
        )
    cap = "no cap" if told["cap_w"] is None else f"a cap of {told['cap_w']:.4g} W"
    yield f"power: {_watts(told['power_w'])} now, {_watts(told['expected'].get('power_w'))} expected, {cap}"
    if told["memory"]["trouble"]:
        yield f"what it has learned cannot be kept: {told['memory']['trouble']}"


_DOMAIN_COLUMNS = (
    "domain",
    "clock_GHz",
    "decided_GHz",
    "busy",
    "temperature_C",
    "expected_C",
    "limit_C",
    "power_W",
    "ceiling_GHz",
    "ceiling_by",
    "trouble",
)


def _domain_row(told: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    return {
        "domain": row["name"],
        "clock_GHz": _ghz(row["clock_hz"]),
        "decided_GHz": "left alone" if row["decided_hz"] is None else _ghz(row["decided_hz"]),
        "busy": f"{row['busy']:.0%}",
        "temperature_C": row["temperature_c"],
        "expected_C": told["expected"].get(f"{row['name']}.temperature_c"),
        "limit_C": row["limit_c"],
        "power_W": row["power_w"],
        "ceiling_GHz": _ghz(row["ceiling_hz"]),
        "ceiling_by": row["ceiling_by"] or None,
        "trouble": row["fault"] or None,
    }


_SESSION_COLUMNS = (
    "session",
    "on",
    "deadline_ms",
    "quantile",
    "latency_ms",
    "expected_ms",
    "units",
    "misses",
)


def _session_row(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "session": row["name"],
        "on": ", ".join(row["domains"]) or "any",
        "deadline_ms": row["deadline_s"] * 1e3,
        "quantile": f"{row['quantile']:.3g}",
        "latency_ms": _ms(row["latency_s"]),
        "expected_ms": _ms(row["expected_s"]),
        "units": row["units"],
        "misses": row["misses"],
    }


def _ghz(hz: float | None) -> float | None:
    return None if hz is None else hz / 1e9


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1e3


def _watts(watts: float | None) -> str:
    return "unknown" if watts is None else f"{watts:.4g} W"
