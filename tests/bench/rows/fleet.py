"""A fleet of two thousand nodes through one aggregator."""

from __future__ import annotations

from collections.abc import Iterator

from tests.bench.machine import Meter
from tests.bench.stack import INFLUX, aggregator, load
from tests.bench.table import Bench, Figure, at_least, at_most, row
from tests.responder import responder
from tests.services import mosquitto

_NODES, _CHANNELS = 2000, 10

_BARE = "the broker and a bare responder"


@row
def fleet_2000(bench: Bench) -> Iterator[Figure]:
    """2,000 nodes at 10 channels × 1 Hz into InfluxDB, beside a responder that stores nothing."""
    options = [f"--nodes={_NODES}", f"--channels={_CHANNELS}", "--interval=1"]
    with mosquitto(bench.directory) as broker, responder(broker.url, decode_lines=False):
        bare = load(broker, *options, f"--duration={20 * bench.seconds}")
    with (
        mosquitto(bench.directory) as broker,
        INFLUX.start(bench.directory) as store,
        aggregator(bench.directory, broker, store, INFLUX.kind) as service,
    ):
        meter = Meter(service.pid)
        full = load(broker, *options, f"--duration={60 * bench.seconds}")
        meter.read()
        stored = store.count()
    sent = full["batches"] * _CHANNELS
    name = "2,000 nodes × 10 channels at 1 Hz"
    note = (
        f"median {full['ack_p50_s']:.3f} s, largest {full['ack_max_s']:.2f} s; "
        f"{full['resent']} batches sent twice; the aggregator used {meter.cores:.2f} cores; "
        f"the generator was behind its plan by up to {full['late_p99_s']:.2f} s (p99)"
    )
    yield Figure(
        f"{name}: stored of sent", stored / sent, "share", at_least(1.0), note=f"{stored:,} readings"
    )
    yield Figure(
        f"{name}: p99 from sending to ack",
        full["ack_p99_s"],
        "s",
        at_most(1.0),
        {_BARE: bare["ack_p99_s"]},
        note,
    )
    yield Figure(
        f"{name}: growth of the median lag in a minute",
        full["lag_growth_s"],
        "s",
        at_most(0.1),
        {_BARE: bare["lag_growth_s"]},
        f"last third less first third; {full['backlog']} batches unanswered when the last was sent",
    )
