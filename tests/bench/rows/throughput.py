"""What the aggregator costs, and how much the whole chain carries."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from edgeagent_hil.load.payloads import Payloads
from edgeagent_sdk.names import Identity
from tests.bench.machine import Meter
from tests.bench.stack import INFLUX, VICTORIA, StoreKind, aggregator, load
from tests.bench.table import Bench, Figure, at_least, at_most, row
from tests.services import Store, mosquitto

_NODES = 4
_CHANNELS = 1000

#: Writers that feed the store directly; with more than two it is no faster on two cores.
_WRITERS = 2
#: Batches in one direct request: about as much as the aggregator writes at once.
_BATCHES = 10


@row
def into_influxdb(bench: Bench) -> Iterator[Figure]:
    """Readings per second through Mosquitto and the aggregator into InfluxDB, beside InfluxDB alone."""
    yield from _through(bench, INFLUX, 100_000)


@row
def into_victoria(bench: Bench) -> Iterator[Figure]:
    """Readings per second through Mosquitto and the aggregator into VictoriaMetrics, beside it alone."""
    yield from _through(bench, VICTORIA, 250_000)


def _through(bench: Bench, kind: StoreKind, target: float) -> Iterator[Figure]:
    seconds = 20 * bench.seconds
    direct = bench.directory / "direct"
    direct.mkdir()
    with kind.start(direct) as store:
        limit = _direct(store, seconds)
    with (
        mosquitto(bench.directory) as broker,
        kind.start(bench.directory) as store,
        aggregator(bench.directory, broker, store, kind.kind) as service,
    ):
        meters = {
            name: Meter(one.pid) for name, one in (("", service), ("Mosquitto", broker), (kind.name, store))
        }
        options = {"nodes": _NODES, "channels": _CHANNELS, "duration": seconds, "window": 16}
        figures = load(broker, "--saturate", *(f"--{key}={value}" for key, value in options.items()))
        stored = store.count()
        per_reading = {name: 1e6 * meter.read().cpu_s / stored for name, meter in meters.items()}
    sent = figures["batches"] * _CHANNELS
    if stored != sent:
        raise RuntimeError(f"{kind.name} has {stored:,} of {sent:,} readings")
    note = (
        f"{stored:,} readings counted in the store; {_NODES} connections, batches of {_CHANNELS}; "
        f"ack p99 {figures['ack_p99_s']:.2f} s; the generator used {figures['generator_cores']:.2f} cores"
    )
    peers = {f"{kind.name} fed over HTTP": limit}
    rate = stored / figures["duration_s"]
    yield Figure(f"end to end into {kind.name}", rate, "readings/s", at_least(target), peers, note)
    yield Figure(
        f"aggregator into {kind.name}: CPU per reading",
        per_reading.pop(""),
        "µs",
        at_most(2),
        per_reading,
        "checked, written, acknowledged, kept in the fleet's picture; beside its neighbours in the same run",
    )


def _direct(store: Store, seconds: float) -> float:
    """Readings per second when the same lines are posted to the store itself, counted there."""
    deadline_s = time.perf_counter() + seconds

    def feed(number: int) -> int:
        payloads = Payloads(Identity("direct", f"n{number}"), _CHANNELS, "b0", "i0")
        batches = 0
        while time.perf_counter() < deadline_s:
            store.write(b"".join(payloads.next(time.time_ns())[1] for _ in range(_BATCHES)))
            batches += _BATCHES
        return batches * _CHANNELS

    begun_s = time.perf_counter()
    with ThreadPoolExecutor(_WRITERS) as pool:
        written = sum(pool.map(feed, range(_WRITERS)))
    took_s = time.perf_counter() - begun_s
    if (stored := store.count()) != written:
        raise RuntimeError(f"{store.name} has {stored:,} of {written:,} readings that it took")
    return stored / took_s
