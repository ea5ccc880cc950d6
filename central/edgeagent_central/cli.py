"""``edgeagent aggregate``: the command. Light to import; what it needs is loaded when it runs."""

from __future__ import annotations

import logging
import signal
import threading
from pathlib import Path
from typing import Annotated, Any

import typer

from edgeagent_sdk.cli import fail, show
from edgeagent_sdk.errors import EdgeError

_LOG = logging.getLogger("edgeagent")


def aggregate(
    config: Annotated[
        Path | None, typer.Option(help="central.toml", envvar="EDGEAGENT_CENTRAL_CONFIG")
    ] = None,
    broker: Annotated[str, typer.Option(help="mqtt://host[:port]", envvar="BROKER")] = "",
    store: Annotated[str, typer.Option(help="sqlite, influx1 or influx2; default: by the URL")] = "",
    store_url: Annotated[str, typer.Option(help="http://host:port", envvar="INFLUX_URL")] = "",
    store_path: Annotated[str, typer.Option(help="file of the embedded store (sqlite)")] = "",
    listen: Annotated[str, typer.Option(help="address of the HTTP API", show_default="127.0.0.1:8700")] = "",
    state_dir: Annotated[str, typer.Option(help="directory for dead letters")] = "",
    replica: Annotated[str, typer.Option(help="name among the replicas of a group")] = "",
    unshared: Annotated[
        bool, typer.Option("--unshared", help="for a broker without shared subscriptions")
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="print every key of central.toml, and end")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="with --explain: as JSON")] = False,
) -> None:
    """Check what the agents send, store it, and acknowledge it once the store has it."""
    from edgeagent_central.config import explain_central, load_central
    from edgeagent_sdk.config import ConfigError

    if explain:
        show(explain_central(), ("key", "type", "default", "meaning"), as_json=as_json)
        return
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)-7s %(message)s", datefmt="%H:%M:%S"
    )
    overrides: dict[str, Any] = {"listen": listen, "state_dir": state_dir, "replica": replica}
    overrides = {key: value for key, value in overrides.items() if value}
    if broker:
        overrides["broker"] = {"url": broker}
    if unshared:
        overrides["shared"] = False
    try:
        keys = load_central(config, overrides, _store_keys(store, store_url, store_path))
        _run(keys)
    except ConfigError as error:
        fail("\nedgeagent: ".join(map(str, error.problems)))
    except EdgeError as error:
        fail(error)


def _store_keys(kind: str, url: str, path: str) -> dict[str, Any]:
    keys: dict[str, Any] = {"url": url} if url else {}
    if path:
        keys |= {"path": path}
    if url and not kind:
        kind = _detect(url)
    return keys | ({"kind": kind} if kind else {})


def _detect(url: str) -> str:
    """Which API answers at `url`: InfluxDB 1.x tells its version at /ping. Raises EdgeError if none does."""
    from edgeagent_central.stores.base import StoreDown
    from edgeagent_central.stores.http import HttpConnection

    connection = HttpConnection(url, timeout_s=5.0)
    try:
        version = connection.request("GET", "/ping").headers.get("x-influxdb-version", "")
    except StoreDown as error:
        raise EdgeError(f"{error}; with --store influx1 or influx2 it would be waited for") from None
    finally:
        connection.close()
    return "influx1" if version.removeprefix("v").startswith("1.") else "influx2"


def _run(config: Any) -> None:
    from edgeagent_central.aggregator import Aggregator
    from edgeagent_central.api import application
    from edgeagent_central.serving import Server
    from edgeagent_sdk.mqtt import try_broker

    try:
        try_broker(config.broker, f"edge-try-{config.replica}")
    except ConnectionError as error:
        _LOG.warning("%s; trying again until it answers", error)
    aggregator = Aggregator(config)
    server = Server(application(aggregator), config.listen)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    broken: list[str] = []

    def thread_broke(args: threading.ExceptHookArgs) -> None:
        broken.append(f"{args.exc_type.__name__}: {args.exc_value}")
        ended.set()

    threading.excepthook = thread_broke
    aggregator.start()
    server.start()
    _LOG.info("aggregating; HTTP API at %s, its page at %s/docs", server.url, server.url)
    while not ended.wait(1.0):
        aggregator.check()
    server.stop()
    aggregator.stop()
    if broken:
        fail(f"ended by an error of its own: {broken[0]}")
