"""What it costs a workload to report its work."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from edgeagent_hil.load.report import quantile
from edgeagent_sdk import hints
from edgeagent_sdk.hintroad import VARIABLE
from tests.bench.machine import Meter
from tests.bench.table import Bench, Figure, at_most, row
from tests.services import mosquitto, spawn, wait_until

_UDP = "a line of statsd's by UDP"
_PAHO = "paho-mqtt publish, QoS 0"

#: As a camera's reports come: each after a pause, none on the heels of the one before.
_PAUSE_S = 0.004

_RECEIVER = """
import sys, time
from pathlib import Path
from edgeagent.hints.receiver import Receiver

receiver = Receiver(Path(sys.argv[1]), 0o600, lambda *_, **__: None)
receiver.start()
while True:
    time.sleep(0.1)
    receiver.drain(receiver)
"""

_READER = """
import socket, sys

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as reader:
    reader.bind(("127.0.0.1", 0))
    print(reader.getsockname()[1], flush=True)
    while True:
        reader.recv(2048)
"""

Report = Callable[[], object]


@row
def hint_report(bench: Bench) -> Iterator[Figure]:
    """One report of a session to the agent's receiver, by turns with what else could carry it."""
    with ExitStack() as stack:
        path = Path(stack.enter_context(TemporaryDirectory(prefix="hints"))) / "hints"
        command = [sys.executable, "-c", _RECEIVER, str(path)]
        receiver = stack.enter_context(spawn(command, bench.directory, name="receiver", ready=path.exists))
        peers = {_UDP: _datagrams(stack, bench.directory), _PAHO: _publishing(stack, bench.directory)}
        meter = Meter(receiver.pid)
        took_us = _by_turns({"ours": _reports(stack, path), **peers}, round(2000 * bench.seconds))
        meter.read()
    ours = took_us.pop("ours")
    yield Figure(
        "a hint: median of one report",
        median(ours),
        "µs",
        at_most(20),
        {who: median(times) for who, times in took_us.items()},
        f"p99 {quantile(ours, 0.99):.0f} µs, each after a pause of {1e3 * _PAUSE_S:.0f} ms; "
        f"for {len(ours) / meter.wall_s:.0f} reports/s the receiver used {100 * meter.cores:.1f} % of a core",
    )


def _reports(stack: ExitStack, path: Path) -> Report:
    os.environ[VARIABLE] = str(path)
    stack.callback(os.environ.pop, VARIABLE)
    session = stack.enter_context(hints.session("camera", deadline_ms=33, domains=("big",)))
    steps: list[Report] = [session.done, session.begin]

    def report() -> None:
        steps.reverse()
        steps[0]()

    return report


def _datagrams(stack: ExitStack, directory: Path) -> Report:
    reader = stack.enter_context(spawn([sys.executable, "-c", _READER], directory, name="reader"))
    wait_until(lambda: reader.log.read_text().endswith("\n"), "the reader's port")
    to = ("127.0.0.1", int(reader.log.read_text()))
    way = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    return lambda: way.sendto(b"edgeagent.camera.latency:%f|ms" % time.monotonic(), to)


def _publishing(stack: ExitStack, directory: Path) -> Report:
    broker = stack.enter_context(mosquitto(directory))
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    stack.callback(client.loop_stop)
    wait_until(client.is_connected, "the broker")
    return lambda: client.publish("camera/latency", b"%f" % time.monotonic())


def _by_turns(reports: Mapping[str, Report], count: int) -> dict[str, list[float]]:
    """How long each of so many reports took, in µs."""
    took_us: dict[str, list[float]] = {who: [] for who in reports}
    for _ in range(count):
        for who, report in reports.items():
            time.sleep(_PAUSE_S)
            begun_ns = time.perf_counter_ns()
            report()
            took_us[who].append((time.perf_counter_ns() - begun_ns) / 1e3)
    return took_us
