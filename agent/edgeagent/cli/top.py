"""`edgeagent top`: a fleet, live."""

from __future__ import annotations

from typing import Annotated

import typer

from edgeagent.cli import options
from edgeagent_sdk.cli import show

DEFAULT_URL = "http://127.0.0.1:8700"


def top(
    url: Annotated[
        str, typer.Option(envvar="EDGEAGENT_URL", help="Where the aggregator serves HTTP.")
    ] = DEFAULT_URL,
    once: Annotated[bool, typer.Option("--once", help="Print the table once, and end.")] = False,
    json: options.Json = False,
) -> None:
    """Watch a fleet live: each node's age, rate, outbox and gaps, and its latest readings.

    q or Ctrl-C ends it. Where the output is no terminal, a line for each node comes every 5 s.
    """
    import msgspec

    from edgeagent.cli.feed import Feed
    from edgeagent.cli.screen import COLUMNS, follow, node_row

    feed = Feed(url)
    if once or json:
        nodes = [feed.detail(node) for node in feed.nodes()]
        rows = [msgspec.to_builtins(node) if json else node_row(node) for node in nodes]
        show(rows, COLUMNS, as_json=json, empty="No node has been heard of yet.")
    else:
        feed.nodes()  # a wrong URL shows at once
        follow(feed, title=f"edgeagent top · {url}")
