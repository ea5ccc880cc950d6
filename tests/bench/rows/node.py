"""The sensor node through the agent's driver: how fast, how cheap, how safe on a bad line, how soon back."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from pymodbus import FramerType
from pymodbus.client import ModbusSerialClient

from edgeagent.drivers.node.actuators import actuators
from edgeagent.drivers.node.node import Node
from edgeagent_hil.rig.line import Line
from edgeagent_hil.rig.stimulus import MachineStimulus
from edgeagent_sdk.errors import DriverError
from edgeagent_sdk.fleet import Fleet
from edgeagent_sdk.messages import Outcome, Reply
from edgeagent_sdk.nodemap import CHANNELS, TELEMETRY
from tests.bench.machine import Meter
from tests.bench.nodes import BOARD, IDENTITY, NoisyPort, agent, emulated, opened
from tests.bench.table import Bench, Figure, at_least, at_most, row
from tests.modelnode import ModelNode
from tests.services import mosquitto, wait_until

_PYMODBUS = "pymodbus client"
_BIT_ERRORS = 1e-4


class _Rate(NamedTuple):
    per_s: float
    cpu_s: float


@row
def node_round_trip(bench: Bench) -> Iterator[Figure]:
    """Reads of the telemetry block, one after the other, by our master and by pymodbus on the same node."""
    seconds = 5 * bench.seconds
    with emulated(bench.directory) as machine:
        ours, theirs = [], []
        for _ in range(3):  # in turn, so that a busy moment of the machine hits both
            with opened(machine.port) as node:
                ours.append(_rate(lambda: len(node.read(TELEMETRY)), seconds))
            with _pymodbus(machine.port) as client:
                theirs.append(_rate(lambda: _read(client), seconds))
    note = f"QEMU {BOARD}, {TELEMETRY.words} registers each; best of 3 turns"
    yield Figure(
        "node: reads of a block of 64 registers",
        max(rate.per_s for rate in ours),
        "/s",
        at_least(300),
        {_PYMODBUS: max(rate.per_s for rate in theirs)},
        note,
    )
    yield Figure(
        "node: CPU time of one such read",
        1e6 * min(rate.cpu_s for rate in ours),
        "µs",
        None,
        {_PYMODBUS: 1e6 * min(rate.cpu_s for rate in theirs)},
        f"{note}; ours checks and names all its fields, pymodbus gives 64 bare numbers",
    )


def _rate(read: Callable[[], int], seconds: float) -> _Rate:
    count, begun_s, begun_cpu_s = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - begun_s < seconds:
        read()
        count += 1
    return _Rate(count / (time.perf_counter() - begun_s), (time.process_time() - begun_cpu_s) / count)


@contextmanager
def _pymodbus(port: Path) -> Iterator[ModbusSerialClient]:
    client = ModbusSerialClient(str(port), framer=FramerType.RTU, baudrate=115_200, timeout=0.5)
    client.connect()
    try:
        yield client
    finally:
        client.close()  # type: ignore[no-untyped-call]


def _read(client: ModbusSerialClient) -> int:
    answer = client.read_input_registers(TELEMETRY.address, count=TELEMETRY.words, device_id=1)
    if len(answer.registers) != TELEMETRY.words:
        raise RuntimeError("pymodbus lost registers; not comparable")
    return TELEMETRY.words


@row
def node_polling(bench: Bench) -> Iterator[Figure]:
    """What it costs the agent to read a node's 64 registers ten times a second."""
    seconds = 30 * bench.seconds
    with ExitStack() as stack:
        broker = stack.enter_context(mosquitto(bench.directory))
        machine = stack.enter_context(emulated(bench.directory))
        used = {}
        for interval_s in (0.1, 60.0):
            home = bench.directory / f"every-{interval_s:g}-s"
            home.mkdir()
            with agent(home, machine.port, broker, interval_s=interval_s) as service:
                time.sleep(3.0)
                meter = Meter(service.pid)
                time.sleep(seconds)
                used[interval_s] = 100 * meter.read().cores
        with opened(machine.port) as node:
            cpu_s = _rate(lambda: len(node.read(TELEMETRY)), 2.0).cpu_s
    yield Figure(
        "agent, a node's 64 registers at 10 Hz: CPU that it costs",
        used[0.1] - used[60.0],
        "% of a core",
        at_most(1),
        note="reading them, and keeping their 22 channels on the disk and sending them: the agent that does "
        f"so less the same agent that reads once a minute, {used[60.0]:.2f} %; the ten reads alone take "
        f"{1e3 * cpu_s:.2f} %",
    )


@row
def node_bit_errors(bench: Bench) -> Iterator[Figure]:
    """A line with a bit error rate of 1e-4 both ways: what passes, and whether anything false does."""
    seed = random.randrange(2**32)
    model = ModelNode()
    port = NoisyPort(model.answer, _BIT_ERRORS, seed)
    count = _Count()
    _poll(
        port.node(1.0),
        lambda: _truth(model),
        count,
        lambda: port.frames < 100_000 * bench.seconds,
    )
    note = f"against a model node in memory, where silence takes no time; seed {seed}"
    yield from _noise("in memory", count, port.frames, note)
    with emulated(bench.directory) as machine:
        line = Line(machine.port, bench.directory / "noisy", seed=seed)
        with line:
            time.sleep(2.0)  # until the fans turn evenly
            with opened(line.port) as node:
                true = _measured(node.read(TELEMETRY))
            count, until_s = _Count(), time.monotonic() + 20 * bench.seconds
            with line.bit_errors(_BIT_ERRORS), opened(line.port, timeout_s=0.1) as node:
                _poll(node, lambda: true, count, lambda: time.monotonic() < until_s)
    note = f"through a pty that damages bits, {line.damaged_bits} in all; seed {seed}"
    yield from _noise(f"QEMU {BOARD}", count, 2 * count.requests, note)


class _Count:
    polls = taken = wrong = requests = damaged = 0


def _poll(node: Node, truth: Callable[[], dict[str, int]], count: _Count, more: Callable[[], bool]) -> None:
    while more():
        count.polls += 1
        try:
            values = node.read(TELEMETRY)
        except DriverError:
            continue
        count.taken += 1
        count.wrong += _measured(values) != truth()
    tally = node.master.tally
    count.requests, count.damaged = tally.requests, tally.damaged


def _measured(values: dict[str, int]) -> dict[str, int]:
    """What does not change by itself while the world stands still."""
    names = [f"{channel.quantity}_{channel.name}" for channel in CHANNELS]
    return {name: values[name] for name in (*names, "valid", "alarms", "boot_count", "block")}


def _truth(model: ModelNode) -> dict[str, int]:
    telemetry = dict(model.values["telemetry"]) | {"block": 0xB002, "boot_count": model.boots}
    return _measured(telemetry)


def _noise(where: str, count: _Count, frames: int, note: str) -> Iterator[Figure]:
    name = f"node on a line with bit errors of 1e-4, {where}"
    share = 100 * (1 - count.damaged / count.requests)
    yield Figure(
        f"{name}: wrong values taken", count.wrong, "", at_most(0), note=f"{frames:,} frames; {note}"
    )
    yield Figure(
        f"{name}: requests answered well",
        share,
        "%",
        at_least(80),
        note=f"{100 * count.taken / count.polls:.2f} % of the polls gave values, in three tries at most",
    )


@row
def node_replug(bench: Bench) -> Iterator[Figure]:
    """How soon readings come again after a node's serial adapter was unplugged and put back."""
    pauses_s = (0.5, 3.0, 8.0, 20.0)
    gaps = []
    with ExitStack() as stack:
        broker = stack.enter_context(mosquitto(bench.directory))
        machine = stack.enter_context(emulated(bench.directory))
        line = stack.enter_context(Line(machine.port, bench.directory / "adapter"))
        fleet = stack.enter_context(Fleet(broker.url, data=True))
        stack.enter_context(agent(bench.directory, line.port, broker, batch_s=0.1))
        wait_until(lambda: _newest_s(fleet) > 0, "readings")
        for pause_s in pauses_s:
            with line.unplugged():
                time.sleep(pause_s * min(1.0, bench.seconds))
            gaps.append(_until_readings(fleet))
            time.sleep(1.0)
    yield Figure(
        "node: unplugged and put back, until its first reading",
        max(gaps),
        "s",
        at_most(2),
        note="longest of those after "
        + ", ".join(f"{p:g} s" for p in pauses_s)
        + ": "
        + ", ".join(f"{gap:.2f} s" for gap in gaps),
    )


def _until_readings(fleet: Fleet) -> float:
    begun_s = time.time()
    wait_until(lambda: _newest_s(fleet) > begun_s, "readings come again")
    return _newest_s(fleet) - begun_s


def _newest_s(fleet: Fleet) -> float:
    node = fleet.nodes().get(IDENTITY)
    return max((r.time_ns for r in list(node.latest.values())), default=0) / 1e9 if node else 0.0


@row
def node_lease(bench: Bench) -> Iterator[Figure]:
    """How far from its time a lease ends, seen at the emulated relay's pin."""
    rounds = max(2, round(10 * bench.seconds))
    with ExitStack() as stack:
        broker = stack.enter_context(mosquitto(bench.directory))
        machine = stack.enter_context(emulated(bench.directory))
        world = MachineStimulus(machine)
        with opened(machine.port) as node:
            relay = actuators(node, 4.0)[0]
            alone = []
            for _ in range(rounds):
                relay.hold(0.0, 1.0)
                due_s = node.master.last.received_ns / 1e9 + 1.0
                alone.append(_closes(world) - due_s)
        fleet = stack.enter_context(Fleet(broker.url))
        stack.enter_context(agent(bench.directory, machine.port, broker))
        wait_until(lambda: _has_actuators(fleet), "the agent has opened the node")
        by_agent = []
        for _ in range(rounds):
            reply = _cap(fleet)
            due_s = reply.time_ns / 1e9 + reply.holds["lease_s"] - time.time() + time.monotonic()
            by_agent.append(_closes(world) - due_s)
    for who, late in (("the node alone", alone), ("by MQTT and the agent", by_agent)):
        yield Figure(
            f"node: a lease's end, {who}: largest distance from its time",
            1e3 * max(abs(seconds) for seconds in late),
            "ms",
            at_most(100),
            note=f"{len(late)} leases on relay 1, from {1e3 * min(late):+.1f} to {1e3 * max(late):+.1f} ms",
        )


def _has_actuators(fleet: Fleet) -> bool:
    node = fleet.nodes().get(IDENTITY)
    return bool(node and node.describe and node.describe.actuators)


def _cap(fleet: Fleet) -> Reply:
    body = {"device": "rack", "actuator": "relay1", "value": 0, "lease_s": 2.3}
    reply = fleet.command(*IDENTITY, "cap", body)
    if reply.outcome is not Outcome.APPLIED:
        raise RuntimeError(f"the cap was {reply.outcome}: {reply.why}")
    return reply


def _closes(world: MachineStimulus) -> float:
    """When the relay closes, monotonic seconds. It must be open before."""
    if world.relay(1):
        raise RuntimeError("the relay did not open; nothing to measure")
    while not world.relay(1):
        time.sleep(0.002)
    return time.monotonic()
