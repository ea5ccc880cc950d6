"""The aggregator's own figures, in the Prometheus text format (version 0.0.4)."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator

from edgeagent_central.aggregator import Aggregator
from edgeagent_sdk.messages import Status


def exposition(aggregator: Aggregator) -> str:
    """All metrics as text."""
    return "".join(_lines(aggregator))


def _lines(aggregator: Aggregator) -> Iterator[str]:
    writer, counts = aggregator.writer, aggregator.counts
    usage = resource.getrusage(resource.RUSAGE_SELF)
    with aggregator.fleet.lock:
        nodes = list(aggregator.fleet.nodes.values())
    online = sum(1 for node in nodes if node.state and node.state.status is Status.ONLINE)
    missing = sum(seen.missing for node in nodes for seen in node.seen.values())
    now = time.time_ns()
    newest = max((node.newest_ns for node in nodes), default=0)
    for key, kind, text, value in (
        ("readings_stored_total", "counter", "readings committed by the store", counts["readings"]),
        ("batches_received_total", "counter", "batches received", counts["batches"]),
        (
            "batches_duplicate_total",
            "counter",
            "batches that had been stored before",
            sum(n.duplicates for n in nodes),
        ),
        ("batches_turned_away_total", "counter", "batches left with the broker", counts["turned_away"]),
        ("batches_rival_total", "counter", "batches of a second agent with one name", counts["rivals"]),
        (
            "messages_malformed_total",
            "counter",
            "messages on unknown topics or not decodable",
            counts["malformed"],
        ),
        (
            "batches_missing",
            "gauge",
            "batch numbers not seen between those seen",
            missing,
        ),
        ("store_writes_total", "counter", "writes to the store", writer.writes),
        ("store_write_seconds_total", "counter", "time spent in them", round(writer.write_s, 6)),
        ("store_written_bytes_total", "counter", "line protocol written", writer.written_bytes),
        ("store_up", "gauge", "1 if the store took the last write", 0 if writer.trouble else 1),
        ("queue_bytes", "gauge", "line protocol waiting for the store", writer.waiting_bytes),
        ("nodes", "gauge", "nodes heard of", len(nodes)),
        ("nodes_online", "gauge", "nodes online", online),
        (
            "newest_reading_age_seconds",
            "gauge",
            "age of the newest reading",
            (now - newest) / 1e9 if newest else 0,
        ),
        (
            "cpu_seconds_total",
            "counter",
            "CPU time of the aggregator",
            round(usage.ru_utime + usage.ru_stime, 6),
        ),
    ):
        yield f"# HELP edgeagent_{key} {text}\n# TYPE edgeagent_{key} {kind}\nedgeagent_{key} {value}\n"
    name = "edgeagent_dead_letters_total"
    yield f"# HELP {name} lines refused, by reason\n# TYPE {name} counter\n"
    for reason, count in sorted(aggregator.dead_letters.by_reason.items()):
        label = reason.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
        yield f'{name}{{reason="{label}"}} {count}\n'
