"""What the agent costs the machine that it runs on, and how punctual it is."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from statistics import median
from typing import NamedTuple

import paho.mqtt.client as paho

from edgeagent_hil.load.report import quantile
from edgeagent_sdk.mqtt import Broker, Session
from tests.bench.agents import agent
from tests.bench.machine import Meter
from tests.bench.peers import COLLECTD, NODE_EXPORTER, collectd, node_exporter
from tests.bench.table import Bench, Figure, at_most, row
from tests.bench.trees import hwmon_tree
from tests.responder import responder
from tests.services import Service, mosquitto

_AGENT = "agent"
_WARM_UP_S = 10.0

#: A source that delivered less than this share of its values did not do the work.
_DELIVERED = 0.95


class _Values:
    """What collectd publishes: when each of its values was read, in seconds, by topic."""

    def __init__(self, broker: Service) -> None:
        self.times_s: dict[str, list[float]] = defaultdict(list)
        self.count = 0
        self.session = Session(
            Broker(url=broker.url),
            "values",
            on_connect=lambda session: session.subscribe("collectd/#"),
            on_message=self._take,
        )
        self.session.connect_or_raise()

    def _take(self, message: paho.MQTTMessage) -> None:
        self.count += 1
        self.times_s[message.topic].append(float(message.payload.partition(b":")[0]))


class _Usage(NamedTuple):
    cores: float
    resident_bytes: int


@row
def agent_100(bench: Bench) -> Iterator[Figure]:
    """The agent with 100 channels at 1 Hz, beside collectd and node_exporter on the same tree."""
    used = _steady(bench, chips=10, inputs=10, seconds=60 * bench.seconds)
    name = "agent, 100 channels at 1 Hz"
    yield _figure(f"{name}: resident memory", "MB", 40, {k: u.resident_bytes / 1e6 for k, u in used.items()})
    yield _figure(f"{name}: CPU", "% of a core", 1, {k: 100 * u.cores for k, u in used.items()})


@row
def agent_10000(bench: Bench) -> Iterator[Figure]:
    """The agent with 10,000 channels at 1 Hz, beside node_exporter on the same tree."""
    # Without collectd: a message for each value is more than this machine's two cores take at that rate.
    used = _steady(bench, chips=100, inputs=100, seconds=40 * bench.seconds, with_collectd=False)
    name = "agent, 10,000 channels at 1 Hz"
    yield _figure(
        f"{name}: resident memory", "MB", None, {k: u.resident_bytes / 1e6 for k, u in used.items()}
    )
    yield _figure(f"{name}: CPU", "% of a core", 20, {k: 100 * u.cores for k, u in used.items()})


@row
def jitter(bench: Bench) -> Iterator[Figure]:
    """How far the readings of 100 channels at 10 Hz lie from their time, beside collectd."""
    interval_s, seconds = 0.1, 30 * bench.seconds
    with ExitStack() as stack:
        root = bench.directory / "tree"
        files = hwmon_tree(root, 10, 10)
        broker = stack.enter_context(mosquitto(bench.directory))
        taken = stack.enter_context(responder(broker.url))
        values = _Values(broker)
        stack.callback(values.session.stop)
        stack.enter_context(agent(bench.directory, root, broker, chips=10, interval_s=interval_s))
        stack.enter_context(collectd(bench.directory, files, broker, interval_s=interval_s))
        from_s = time.time() + 2.0
        time.sleep(seconds + 3.0)
    to_s = from_s + seconds
    series: dict[str, list[float]] = defaultdict(list)
    for r in taken.readings:
        if r.quantity == "temperature":
            series[f"{r.device}/{r.channel}"].append(r.time_ns / 1e9)
    expected = 100 * seconds / interval_s
    ours = [abs(_off(t, interval_s)) for t in _within(series.values(), from_s, to_s)]
    theirs = [
        abs(_off(t - phase, interval_s))
        for times in values.times_s.values()
        for phase in [_phase(times, interval_s)]
        for t in _within([times], from_s, to_s)
    ]
    _check_delivered({_AGENT: len(ours), COLLECTD: len(theirs)}, expected)
    yield Figure(
        "agent, 100 channels at 10 Hz: p99 of the deviation from the aligned time",
        1e3 * quantile(ours, 0.99),
        "ms",
        at_most(5),
        {COLLECTD: 1e3 * quantile(theirs, 0.99)},
        f"median {1e3 * quantile(ours, 0.5):.2f} ms, largest {1e3 * max(ours):.2f} ms of {len(ours):,} "
        "readings; collectd aligns to nothing, so its deviation is from each series' own phase",
    )


def _steady(
    bench: Bench, *, chips: int, inputs: int, seconds: float, with_collectd: bool = True
) -> Mapping[str, _Usage]:
    """What each program uses, all at the same time, once started up. Every value must have arrived."""
    with ExitStack() as stack:
        root = bench.directory / "tree"
        files = hwmon_tree(root, chips, inputs)
        broker = stack.enter_context(mosquitto(bench.directory))
        taken = stack.enter_context(responder(broker.url, decode_lines=False))
        values = _Values(broker)
        stack.callback(values.session.stop)
        exporter, scraper = stack.enter_context(node_exporter(bench.directory, root))
        pids = {
            _AGENT: stack.enter_context(agent(bench.directory, root, broker, chips=chips)).pid,
            NODE_EXPORTER: exporter.pid,
        }
        if with_collectd:
            pids[COLLECTD] = stack.enter_context(collectd(bench.directory, files, broker)).pid

        def delivered() -> dict[str, int]:
            readings = sum(header.readings for header in taken.headers)
            counts = {_AGENT: readings, COLLECTD: values.count, NODE_EXPORTER: scraper.samples}
            return {name: counts[name] for name in pids}

        time.sleep(_WARM_UP_S * min(1.0, bench.seconds))
        before = delivered()
        meters = {name: Meter(pid) for name, pid in pids.items()}
        time.sleep(seconds)
        for meter in meters.values():
            meter.read()
        after = delivered()
    _check_delivered({name: after[name] - before[name] for name in after}, len(files) * seconds)
    return {name: _Usage(meter.cores, meter.resident_bytes) for name, meter in meters.items()}


def _figure(name: str, unit: str, bound: float | None, values: Mapping[str, float]) -> Figure:
    peers = {who: value for who, value in values.items() if who != _AGENT}
    note = "all at once in their steady state; the agent's outbox on disk, its batches acknowledged"
    return Figure(name, values[_AGENT], unit, at_most(bound) if bound else None, peers, note)


def _check_delivered(delivered: Mapping[str, int], expected: float) -> None:
    for who, count in delivered.items():
        if count < _DELIVERED * expected:
            raise RuntimeError(f"{who} delivered {count:,} of {expected:,.0f} values; not comparable")


def _within(series: Iterable[list[float]], from_s: float, to_s: float) -> Iterator[float]:
    return (t for times in series for t in times if from_s <= t < to_s)


def _off(time_s: float, interval_s: float) -> float:
    """Signed distance to the nearest multiple of the interval."""
    return (time_s + interval_s / 2) % interval_s - interval_s / 2


def _phase(times_s: list[float], interval_s: float) -> float:
    """Where in its interval a series that aligns to nothing is read: the median around its first moment."""
    first = times_s[0]
    return first + median(_off(t - first, interval_s) for t in times_s)
