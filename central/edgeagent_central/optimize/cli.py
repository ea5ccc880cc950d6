"""``edgeagent optimize`` and ``edgeagent topology``. Light to import: a command imports what it needs."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from edgeagent_central.optimize.power.cli import power
from edgeagent_sdk.cli import fail, show
from edgeagent_sdk.errors import EdgeError

optimize = typer.Typer(help="Share what is scarce over a fleet: power.", no_args_is_help=True)
topology = typer.Typer(help="The power tree of a site, site.toml.", no_args_is_help=True)
optimize.add_typer(power, name="power")

Url = Annotated[str, typer.Option(help="the optimizer's address", envvar="EDGEAGENT_OPTIMIZER_URL")]
Json = Annotated[bool, typer.Option("--json", help="as JSON")]
File = Annotated[Path, typer.Argument(help="site.toml")]

_URL = "http://127.0.0.1:8710"

_COLUMNS = (
    "id",
    "phase",
    "from",
    "for_s",
    "target_kw",
    "baseline_kw",
    "mean_kw",
    "delivered_kw",
    "reached_s",
    "seconds_above",
    "worst_above_w",
)


@optimize.command()
def curtail(
    to: Annotated[str, typer.Option(help="how much may be drawn: 300kW")] = "",
    by: Annotated[str, typer.Option(help="how much less than before: 25%")] = "",
    lasting: Annotated[str, typer.Option("--for", help="how long: 90s, 10min, 3h")] = "1h",
    begin: Annotated[
        str, typer.Option("--from", help="when: 16:00, 2026-07-01T16:00, or in 10min", show_default="now")
    ] = "",
    ramp: Annotated[str, typer.Option(help="how long the way down and back takes: 60s")] = "0s",
    url: Url = _URL,
    as_json: Json = False,
) -> None:
    """Order that the site draw less for a time; `edgeagent optimize orders` shows what came of it."""
    from edgeagent_central.optimize.power.orders import Asked, power_w, seconds, share

    order: dict[str, Any] = {
        **({"to_w": power_w(to)} if to else {}),
        **({"by": share(by)} if by else {}),
        **({"from_s": _moment(begin)} if begin else {}),
        "for_s": seconds(lasting),
        "ramp_s": seconds(ramp),
        "who": "edgeagent optimize curtail",
    }
    Asked(**order).order(time.time())  # what cannot be is refused here, whoever listens there
    _tell([_asked(url, "POST", "/v1/orders", order)], as_json)


@optimize.command()
def orders(
    cancel: Annotated[str, typer.Option(metavar="ID", help="take this order back")] = "",
    url: Url = _URL,
    as_json: Json = False,
) -> None:
    """List the orders, with the baseline and the reduction that was delivered."""
    if cancel:
        _tell([_asked(url, "DELETE", f"/v1/orders/{cancel}")], as_json)
    else:
        _tell(_asked(url, "GET", "/v1/orders"), as_json)


@topology.command("show")
def show_(file: File, as_json: Json = False) -> None:
    """Draw a site's power tree: limits, what stands below them, and how far they are oversubscribed."""
    with _told():
        from edgeagent_central.optimize.power.topology.draw import drawing, rows
        from edgeagent_central.optimize.power.topology.load import load_topology

        found = load_topology(file)
        if as_json:
            show(rows(found), (), as_json=True)
        else:
            from rich.console import Console

            Console(highlight=False).print(drawing(found))


@topology.command()
def check(file: File) -> None:
    """Tell every mistake in a site.toml, with its line."""
    with _told():
        from edgeagent_central.optimize.power.channels import rows_of
        from edgeagent_central.optimize.power.topology.load import load_topology, unsafe_fallbacks
        from edgeagent_central.optimize.power.wiring import wired

        found = load_topology(file)
        rows_of(found)
        wired(found)
        servers = len({target.node for target in found.targets})
        print(
            f"{file}: {len(found.site.domains)} domains, {servers} servers, {len(found.site.leaves)} leaves"
        )
        for warning in unsafe_fallbacks(found.site):
            print(f"{file}: warning: {warning}")


@contextmanager
def _told() -> Iterator[None]:
    """Mistakes in words, all of them; a missing package with its remedy."""
    from edgeagent_sdk.config import ConfigError

    try:
        yield
    except ConfigError as error:
        fail("\nedgeagent: ".join(map(str, error.problems)))
    except EdgeError as error:
        fail(error)
    except ModuleNotFoundError as error:
        fail(f"optimize needs a package that is missing: {error}; pip install 'edgeagent[optimize]'")


def _asked(url: str, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, urlopen

    data = json.dumps(body).encode() if body is not None else None
    try:
        request = Request(url + path, data, {"Content-Type": "application/json"}, method=method)
        with urlopen(request, timeout=10) as answer:
            return json.load(answer)
    except HTTPError as error:
        try:
            fail(json.load(error).get("detail", error))
        except ValueError:
            fail(f"optimizer {url} answers {error.code}")
    except (URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        reason = (getattr(reason, "strerror", None) or str(reason)).lower()
        fail(f"optimizer {url}: {reason}; is `edgeagent optimize power` running? set --url")
    except ValueError:
        fail(f"--url {url!r}: write http://host:port")


def _tell(reports: list[dict[str, Any]], as_json: bool) -> None:
    rows = [
        row
        | {"from": datetime.fromtimestamp(row["from_s"]).strftime("%m-%d %H:%M:%S")}
        | {
            name.replace("_w", "_kw"): None if row[name] is None else row[name] / 1e3
            for name in ("target_w", "baseline_w", "mean_w", "delivered_w")
        }
        for row in reports
    ]
    show(reports if as_json else rows, _COLUMNS, as_json=as_json, empty="There is no order.")
    for row in rows:
        if row["note"] and not as_json:
            print(f"{row['id']}: {row['note']}")


def _moment(text: str) -> float:
    """A moment in words, as seconds since 1970. Raises EdgeError."""
    from edgeagent_central.optimize.power.orders import seconds

    if text.startswith("in "):
        return time.time() + seconds(text.removeprefix("in "))
    for form in ("%H:%M", "%H:%M:%S"):
        try:
            clock = datetime.strptime(text, form).time()
        except ValueError:
            continue
        at_s = datetime.combine(datetime.now().date(), clock).timestamp()
        return at_s if at_s > time.time() - 60 else at_s + 86400
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise EdgeError(f"--from {text!r}: write 16:00, 2026-07-01T16:00 or 'in 10min'") from None
