"""From the emulated chip to the store, and from a command on the broker to a relay: the loop, closed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeagent_hil.rig import faults
from edgeagent_hil.rig.drivers import NodeProtocol
from edgeagent_hil.rig.line import Line
from edgeagent_hil.rig.machine import Machine
from edgeagent_hil.rig.stimulus import Stimulus
from edgeagent_sdk.messages import Event, Outcome
from edgeagent_sdk.nodemap import CONFIG, TELEMETRY, SafeState, Source
from hil.tests.loop import LEASE_S, Loop, loop
from hil.tests.registers import Registers
from tests.faults.rig import Rig, rig
from tests.services import wait_until


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Broker, aggregator and store."""
    with rig(tmp_path_factory.mktemp("services")) as services:
        yield services


@pytest.fixture
def line(node: NodeProtocol, tmp_path: Path) -> Iterator[Line]:
    """The cable between the node, ready to answer, and its agent."""
    node.wait_ready()
    with Line(node.port, tmp_path / "ttyNODE") as line:
        yield line


@pytest.fixture
def running(services: Rig, line: Line, tmp_path: Path) -> Iterator[Loop]:
    """The loop at work."""
    with loop(services, line.port, tmp_path) as running:
        yield running


def test_a_temperature_arrives_in_the_store(running: Loop, stimulus: Stimulus) -> None:
    for temperature in (43.0, 24.0):
        stimulus.set("temperature_inlet", temperature)
        now_ns = time.time_ns() + 400_000_000  # the pass that sees it, and what is under way
        assert running.wait_stored("temperature", "inlet", now_ns) == temperature


def test_a_cap_opens_a_relay(running: Loop, stimulus: Stimulus) -> None:
    """A cap below the input power sheds load; its release gives it back."""
    stimulus.set("power_in", 300.0)
    try:
        assert stimulus.relay(1)
        reply = running.cap("power_limit", 200.0, 60.0)
        assert reply.outcome is Outcome.APPLIED, reply
        wait_until(lambda: not stimulus.relay(1), "relay 1 opens")
        now_ns = time.time_ns() + 400_000_000
        assert running.wait_stored("state", "relay1", now_ns) == 0.0
        assert running.wait_stored("state", "relay1_source", now_ns) == Source.SHED
        assert running.release("power_limit").outcome is Outcome.APPLIED
        wait_until(lambda: stimulus.relay(1), "relay 1 closes")
    finally:
        stimulus.set("power_in", 120.0)


def test_a_cap_ends_by_itself(running: Loop, stimulus: Stimulus) -> None:
    """Also under an agent that lives: a lease lasts as long as was asked for, and is refreshed meanwhile."""
    begun = time.monotonic()
    assert running.cap("relay1", 0.0, 3.0).outcome is Outcome.APPLIED
    wait_until(lambda: not stimulus.relay(1), "relay 1 opens")
    wait_until(lambda: stimulus.relay(1), "relay 1 closes")
    assert time.monotonic() - begun >= 3.0 > LEASE_S


@pytest.mark.parametrize("stop", ["kill", "pause", "stop"])
def test_a_stopped_agent_lets_go(running: Loop, line: Line, stimulus: Stimulus, stop: str) -> None:
    """Killed, hung or ended in order: the node's lease runs out, its outputs fall to their safe state."""
    assert running.cap("relay1", 0.0, 600.0).outcome is Outcome.APPLIED
    assert running.cap("fan1", 0.2, 600.0).outcome is Outcome.APPLIED
    wait_until(lambda: not stimulus.relay(1), "relay 1 opens")
    getattr(running.agent, stop)()
    wait_until(lambda: stimulus.relay(1), "relay 1 falls to its safe state, closed")
    running.agent.kill()
    with Registers.at(line.port) as registers:
        wait_until(lambda: registers.telemetry("source_fan1") == Source.SAFE, "fan 1 as well")
        block = registers.read(TELEMETRY)
        assert (block["output_fan1"], block["output_relay1"]) == (10_000, 1)
        assert block["lease_fan1"] == block["lease_relay1"] == 0


def test_an_agent_that_is_started_again_goes_on(running: Loop, stimulus: Stimulus) -> None:
    running.agent.kill()
    stimulus.set("temperature_coolant", 48.0)
    begun_ns = time.time_ns()
    running.agent.start()
    try:
        assert running.wait_stored("temperature", "coolant", begun_ns + 400_000_000) == 48.0
        assert running.cap("fan2", 0.5, 60.0).outcome is Outcome.APPLIED
    finally:
        stimulus.set("temperature_coolant", 30.0)


def test_unplugged_and_plugged_in_again(running: Loop, line: Line) -> None:
    """Meanwhile there is no reading, rather than a stale one; afterwards they come again by themselves."""
    with line.unplugged():
        time.sleep(0.3)  # what was under way
        begun_ns = time.time_ns()
        time.sleep(1.5)
        ended_ns = time.time_ns()
    running.wait_stored("power", "in", ended_ns)
    silent = [at for at in running.times("power", "in", begun_ns) if at < ended_ns]
    assert silent == []


def test_a_hung_node_is_missed_and_comes_back(running: Loop, machine: Machine) -> None:
    """Its watchdog brings it back; energy goes on from where it was."""
    before_j = running.wait_stored("energy", "in")
    mark = machine.qmp.mark()
    with faults.hung(machine):
        faults.wait_for_reset(machine, mark, 20.0)
    after_j = running.wait_stored("energy", "in", time.time_ns())
    assert after_j >= before_j > 0
    assert running.cap("fan1", 0.3, 60.0).outcome is Outcome.APPLIED, "locked again after a reset"


def test_a_missing_chip_costs_its_own_channels_only(running: Loop, machine: Machine) -> None:
    with faults.missing(machine, "hotswap"):
        now_ns = running_again_ns(running)
        assert running.times("power", "in", now_ns) == []
        assert running.times("voltage", "in", now_ns) == []
        assert running.times("speed", "fan1", now_ns) != []
    running.wait_stored("power", "in", time.time_ns())


def running_again_ns(running: Loop) -> int:
    """A moment before some readings of a node that was started anew."""
    now_ns = time.time_ns()
    running.wait_stored("temperature", "board", now_ns)
    running.wait_stored("temperature", "board", now_ns + 500_000_000)
    return now_ns


def test_the_guard_is_heard_of(running: Loop, stimulus: Stimulus) -> None:
    """What the node does by itself arrives as an event on the broker, and outranks a cap."""
    heard: list[str] = []

    def listen() -> None:
        for _, update in running.fleet.watch(timeout_s=20.0):
            if isinstance(update, Event):
                heard.append(update.kind)

    threading.Thread(target=listen, daemon=True).start()
    assert running.cap("fan1", 0.2, 60.0).outcome is Outcome.APPLIED
    try:
        stimulus.set("temperature_outlet", 95.0)
        wait_until(lambda: "guard-began" in heard, "the guard is heard of")
        now_ns = time.time_ns() + 400_000_000
        assert running.wait_stored("duty", "fan1", now_ns) == 1.0
        reply = running.cap("fan1", 0.2, 60.0)
        assert reply.outcome is Outcome.CLAMPED and "guard" in reply.why, reply
    finally:
        stimulus.set("temperature_outlet", 35.0)
    wait_until(lambda: "guard-ended" in heard, "it lets go")


def test_safe_states_are_the_nodes_own(running: Loop, line: Line, stimulus: Stimulus) -> None:
    """Configured once, they need no agent. The fixture `node` takes the setting back."""
    running.agent.stop()
    with Registers.at(line.port) as registers:
        registers.configure(CONFIG, safe_relay2=SafeState.OPEN)
    running.agent.start()
    now_ns = time.time_ns()
    running.wait_stored("temperature", "board", now_ns)
    assert running.cap("relay2", 1.0, 600.0).outcome is Outcome.APPLIED
    wait_until(lambda: stimulus.relay(2), "relay 2 closes")
    running.agent.kill()
    wait_until(lambda: not stimulus.relay(2), "relay 2 falls to its safe state, open")
