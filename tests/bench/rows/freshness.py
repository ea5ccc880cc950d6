"""How soon a reading can be queried."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from edgeagent_hil.load.report import quantile
from tests.bench.agents import IDENTITY, agent
from tests.bench.peers import node_exporter
from tests.bench.stack import INFLUX, aggregator
from tests.bench.table import Bench, Figure, at_most, row
from tests.bench.trees import hwmon_tree
from tests.services import Store, mosquitto, victoria, wait_until

_POLL_S = 0.01

_SCRAPE = """
global:
  scrape_interval: 1s
scrape_configs:
  - job_name: node
    static_configs:
      - targets: ["127.0.0.1:{port}"]
"""

Newest = Callable[[], dict[str, int]]
"""The newest time stamp of some series, in nanoseconds, by series."""


@row
def freshness(bench: Bench) -> Iterator[Figure]:
    """From taking a reading until the store answers with it, beside a scraped node_exporter."""
    seconds = 40 * bench.seconds
    root = bench.directory / "tree"
    hwmon_tree(root, 10, 10)
    ours = _of_agent(bench.directory, root, seconds)
    theirs = _of_scraping(bench.directory, root, seconds)
    yield Figure(
        "reading taken → queryable in InfluxDB, p99 with 1 s batches",
        quantile(ours, 0.99),
        "s",
        at_most(1.5),
        {"node_exporter scraped at 1 Hz by VictoriaMetrics": quantile(theirs, 0.99)},
        f"the store asked every {1e3 * _POLL_S:g} ms for the newest stamp of 10 series; "
        f"median {quantile(ours, 0.5):.2f} s, largest {max(ours):.2f} s of {len(ours)}",
    )


def _of_agent(directory: Path, root: Path, seconds: float) -> list[float]:
    with (
        mosquitto(directory) as broker,
        INFLUX.start(directory) as store,
        aggregator(directory, broker, store, INFLUX.kind),
        agent(directory, root, broker, chips=10),
    ):
        where = f"site = '{IDENTITY.site}' AND channel = 'temp1' AND time > now() - 10s"
        question = f'SELECT LAST("value") FROM "temperature" WHERE {where} GROUP BY "device"'

        def newest() -> dict[str, int]:
            return {row["device"]: row["time"] for row in store.query(question)}

        return _ages(newest, seconds)


def _of_scraping(directory: Path, root: Path, seconds: float) -> list[float]:
    with ExitStack() as stack:
        exporter, _ = stack.enter_context(node_exporter(directory, root, interval_s=3600))
        config = directory / "scrape.yaml"
        config.write_text(_SCRAPE.format(port=exporter.port))
        store: Store = stack.enter_context(victoria(directory, f"-promscrape.config={config}"))
        question = 'tlast_over_time(node_hwmon_temp_celsius{sensor="temp1"}[10s])'

        def newest() -> dict[str, int]:
            return {row["chip"]: round(row["value"] * 1e9) for row in store.query(question)}

        return _ages(newest, seconds)


def _ages(newest: Newest, seconds: float) -> list[float]:
    """How old each reading was when it was first seen, in seconds; readings at the start do not count."""
    wait_until(lambda: len(newest()) == 10, "readings of 10 devices in the store")
    time.sleep(2.0)
    seen = newest()
    ages = []
    deadline_s = time.monotonic() + seconds
    while time.monotonic() < deadline_s:
        for series, stamp in newest().items():
            if stamp != seen[series]:
                ages.append((time.time_ns() - stamp) / 1e9)
                seen[series] = stamp
        time.sleep(_POLL_S)
    if len(ages) < 0.9 * 10 * seconds:
        raise RuntimeError(f"only {len(ages)} new readings were seen in {seconds:g} s at 1 Hz of 10 series")
    return ages
