"""``edgeagent optimize power``: the command. Light to import; what it needs is loaded when it runs."""

from __future__ import annotations

import logging
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeagent_central.optimize.power.backtest.command import backtest
from edgeagent_sdk.cli import fail
from edgeagent_sdk.errors import EdgeError

if TYPE_CHECKING:
    from edgeagent_central.optimize.power.service import Settings
    from edgeagent_sdk.mqtt import Broker

power = typer.Typer(help="Share a site's power over its servers.", invoke_without_command=True)

_LOG = logging.getLogger("edgeagent")


@power.callback()
def run(
    context: typer.Context,
    topology: Annotated[
        Path | None, typer.Option(help="site.toml: the power tree, and the servers in it")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            help="the aggregator's central.toml: its broker table and prefix are taken",
            envvar="EDGEAGENT_CENTRAL_CONFIG",
        ),
    ] = None,
    broker: Annotated[
        str,
        typer.Option(help="mqtt://host[:port]", envvar="BROKER", show_default="mqtt://127.0.0.1:1883"),
    ] = "",
    aggregator: Annotated[str, typer.Option(help="the aggregator's address", envvar="EDGEAGENT_URL")] = (
        "http://127.0.0.1:8700"
    ),
    listen: Annotated[str, typer.Option(help="address of the HTTP API")] = "127.0.0.1:8710",
    state_dir: Annotated[Path, typer.Option(help="directory for the orders and the log of decisions")] = Path(
        "/var/lib/edgeagent-optimizer"
    ),
    lease: Annotated[
        float, typer.Option(metavar="SECONDS", min=5, max=3600, help="how long a cap holds unless renewed")
    ] = 15.0,
    stale: Annotated[
        float, typer.Option(metavar="SECONDS", min=1, help="readings older than this are not acted upon")
    ] = 5.0,
) -> None:
    """Watch a site through its aggregator, and each second share its power budget as leases on caps.

    Two may run for one site: one leads, the other takes over when it falls silent. When none runs, the leases
    end and each node goes to its fallback.
    """
    if context.invoked_subcommand:
        return
    if topology is None:
        fail("--topology site.toml is missing: it says what feeds what; see `edgeagent topology show`")
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)-7s %(message)s", datefmt="%H:%M:%S"
    )
    from edgeagent_sdk.config import ConfigError

    try:
        from edgeagent_central.optimize.power.service import Settings

        reached, prefix = _broker(config, broker)
        _serve(Settings(topology, reached, prefix, aggregator, listen, state_dir, lease, stale))
    except ConfigError as error:
        fail(_as_option("\nedgeagent: ".join(map(str, error.problems)), config))
    except EdgeError as error:
        fail(_as_option(str(error), config))
    except ModuleNotFoundError as error:
        fail(f"optimize needs a package that is missing: {error}; pip install 'edgeagent[optimize]'")


power.command()(backtest)


def _broker(config: Path | None, url: str) -> tuple[Broker, str]:
    from edgeagent_central.config import load_central

    keys = load_central(config, {"broker": {"url": url}} if url else {}, {})
    return keys.broker, keys.prefix


def _as_option(text: str, config: Path | None) -> str:
    """A complaint about the broker's URL names where it was given."""
    return text if config else text.replace("broker.url", "--broker")


def _serve(settings: Settings) -> None:
    from edgeagent_central.optimize.power.service import Service

    service = Service(settings)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    broken: list[str] = []

    def thread_broke(args: threading.ExceptHookArgs) -> None:
        broken.append(f"{args.exc_type.__name__}: {args.exc_value}")
        ended.set()

    threading.excepthook = thread_broke
    _LOG.info("optimizing; HTTP API at %s, its page at %s/docs", service.url, service.url)
    try:
        service.run(ended)
    except (EdgeError, ModuleNotFoundError):
        raise
    except Exception as error:  # the lead is given up by now: another process may do better
        _LOG.exception("an error of its own")
        broken.append(f"{type(error).__name__}: {error}")
    if broken:
        fail(f"ended by an error of its own: {broken[0]}")
