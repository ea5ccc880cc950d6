"""The aggregator and a store, put together for a row."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.services import Service, Store, free_port, influxd, spawn, victoria


class StoreKind(NamedTuple):
    """A store as the aggregator knows it, and how to start one."""

    name: str
    kind: str
    start: Callable[[Path], AbstractContextManager[Store]]


INFLUX = StoreKind("InfluxDB 1.6.7", "influx1", influxd)
VICTORIA = StoreKind("VictoriaMetrics", "influx2", victoria)


def _healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/healthz", timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False


@contextmanager
def aggregator(directory: Path, broker: Service, store: Store, kind: str) -> Iterator[Service]:
    """`edgeagent aggregate` between a broker and a store, once it is healthy."""
    home = directory / "aggregator"
    home.mkdir()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "edgeagent", "aggregate"]
    for option, value in (
        ("broker", broker.url),
        ("store", kind),
        ("store-url", store.url),
        ("listen", f"127.0.0.1:{port}"),
        ("state-dir", str(home)),
    ):
        command += [f"--{option}", value]
    with spawn(command, home, name="aggregator", port=port, ready=lambda: _healthy(url)) as service:
        yield service


def load(broker: Service, *options: str) -> dict[str, Any]:
    """Run `edgeagent bench load`; its figures. Raises RuntimeError with its words if it fails."""
    command = [sys.executable, "-m", "edgeagent", "bench", "load", "--broker", broker.url, "--json", *options]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"bench load: {done.stderr.strip()} {done.stdout.strip()}")
    (figures,) = json.loads(done.stdout)
    assert isinstance(figures, dict)
    return figures
