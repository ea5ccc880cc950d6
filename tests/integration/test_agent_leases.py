"""Caps by MQTT on a node's outputs: held, ended, given up and taken up again, whatever fails meanwhile.

The agent is a process and the broker is Mosquitto. The node is the firmware in QEMU where the board itself
must act when nobody speaks to it any more, and a model where it must do what a real one does not on demand.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edgeagent_hil.rig.boards import board
from edgeagent_hil.rig.machine import Machine
from edgeagent_hil.rig.stimulus import MachineStimulus
from edgeagent_sdk.fleet import Fleet
from edgeagent_sdk.messages import Event, Outcome, Reply
from edgeagent_sdk.names import Identity
from edgeagent_sdk.nodemap import EventCode, Source
from tests.modelnode import ModelNode
from tests.serialline import SerialLine, serial_line
from tests.services import Service, mosquitto, spawn, wait_until

_ME = Identity("lab", "n1")

_CONFIG = """
site = "lab"
node = "n1"
state_dir = "{home}/state"
[broker]
url = "{url}"
[outbox]
delivery = "broker"
batch_s = 0.2
[agent]
interval_s = 0
[[device]]
name = "rack"
driver = "node"
port = "{port}"
interval_s = 0.1
lease_s = 3
"""


class Site:
    """An agent with one node, and a client of the fleet that hears everything."""

    def __init__(self, home: Path, broker: Service, port: Path) -> None:
        self.home, self.broker, self.port = home, broker, port
        self.events: list[Event] = []
        self.fleet = Fleet(broker.url, data=True)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for _, update in self.fleet.watch():
            if isinstance(update, Event):
                self.events.append(update)

    @contextmanager
    def agent(self) -> Iterator[Service]:
        config = self.home / "agent.toml"
        config.write_text(_CONFIG.format(home=self.home, url=self.broker.url, port=self.port))
        command = [sys.executable, "-m", "edgeagent.daemon", "--config", str(config)]
        with spawn(command, self.home, name="agent") as service:
            wait_until(lambda: bool(self.readings), "readings")
            yield service

    @property
    def readings(self) -> dict[tuple[str, str], float]:
        """(quantity, channel) → the newest value."""
        node = self.fleet.nodes().get(_ME)
        return {(q, channel): r.value for (q, _, channel), r in node.latest.items()} if node else {}

    @property
    def newest_ns(self) -> int:
        """When the newest reading was taken."""
        node = self.fleet.nodes().get(_ME)
        return max((r.time_ns for r in list(node.latest.values())), default=0) if node else 0

    def cap(self, value: float, lease_s: float, actuator: str = "relay1") -> Reply:
        return self.order("cap", actuator=actuator, value=value, lease_s=lease_s)

    def order(self, name: str, **body: Any) -> Reply:
        return self.fleet.command("lab", "n1", name, {"device": "rack", **body})

    def told(self, kind: str) -> bool:
        return any(event.kind == kind for event in list(self.events))


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Service]:
    with mosquitto(tmp_path, persistence=False) as service:
        yield service


@pytest.fixture
def model() -> ModelNode:
    return ModelNode()


@pytest.fixture
def line(tmp_path: Path, model: ModelNode) -> Iterator[SerialLine]:
    with serial_line(tmp_path / "tty", model.answer) as made:
        yield made


@pytest.fixture
def site(tmp_path: Path, broker: Service, line: SerialLine) -> Iterator[Site]:
    made = Site(tmp_path, broker, line.path)
    yield made
    made.fleet.close()


def _held(model: ModelNode, counts: int = 0, output: str = "relay1") -> bool:
    return model.output(output)[:2] == (Source.LEASE, counts)


def test_a_cap_by_mqtt_holds_shows_and_is_released(site: Site, model: ModelNode) -> None:
    with site.agent():
        describe = site.fleet.nodes()[_ME].describe
        assert describe is not None and {"cap", "release"} <= set(describe.commands)
        assert {(a.device, a.actuator, a.unit, a.maximum) for a in describe.actuators} >= {
            ("rack", "relay1", "1", 1.0),
            ("rack", "power_limit", "W", 65535.0),
        }
        reply = site.cap(0, 60)
        assert reply.outcome is Outcome.APPLIED and _held(model)
        assert reply.holds["value"] == 0.0 and reply.holds["lease_s"] > 59
        wait_until(lambda: site.readings["state", "relay1_source"] == Source.LEASE, "the readings tell")
        assert site.readings["state", "relay1"] == 0.0
        time.sleep(3.5)
        assert _held(model), "it is refreshed beyond the node's own 3 s"
        assert model.output("relay1")[2] <= 3000
        reply = site.order("release", actuator="relay1")
        assert (reply.outcome, reply.holds["value"]) == (Outcome.APPLIED, 1.0)
        assert model.output("relay1")[0] is Source.SAFE
        wait_until(lambda: site.told("lease-began") and site.told("lease-ended"), "both events")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"device": "rakc"}, "did you mean 'rack'?"),
        ({"actuator": "relay"}, "did you mean 'relay2'?"),
        ({"value": "open"}, "Expected `float`"),
        ({"lease_s": 0}, "a time above 0"),
    ],
)
def test_refusals_say_why(site: Site, model: ModelNode, body: dict[str, Any], why: str) -> None:
    with site.agent():
        reply = site.order("cap", **({"actuator": "relay1", "value": 0, "lease_s": 5} | body))
    assert reply.outcome is Outcome.REFUSED and why in reply.why
    assert model.leases == {}


def test_a_lease_ends_without_a_broker(site: Site, broker: Service, model: ModelNode) -> None:
    with site.agent():
        assert site.cap(0, 4).outcome is Outcome.APPLIED
        broker.stop()
        time.sleep(1.5)
        assert _held(model), "the network is no reason to let go"
        wait_until(lambda: model.output("relay1")[0] is Source.SAFE, "the end of the lease")
        assert model.level == 1, "and to the node it was spoken to its end"
        broker.start()


@pytest.mark.parametrize("how", ["SIGTERM", "reload"])
def test_an_orderly_end_releases_at_once(site: Site, model: ModelNode, how: str) -> None:
    with site.agent() as agent:
        assert site.cap(0.3, 60, "fan1").outcome is Outcome.APPLIED
        if how == "SIGTERM":
            assert agent.stop() == 0
        else:
            file = site.home / "agent.toml"
            file.write_text(file.read_text().replace("interval_s = 0.1", "interval_s = 0.2"))
            agent.signal(signal.SIGHUP)
        wait_until(lambda: model.output("fan1")[0] is Source.SAFE, "it is released", 1.5)
        if how == "reload":
            wait_until(lambda: site.told("lease-ended"), "its event")


def test_a_reset_of_the_node_is_told_and_its_outputs_are_held_again(site: Site, model: ModelNode) -> None:
    with site.agent():
        site.cap(0, 60)
        before_s = site.readings["energy", "in"]
        model.reset()
        model.energy_mj = 0
        wait_until(lambda: _held(model), "it is held again")
        wait_until(lambda: site.told("node-started"), "the node's own event")
        model.energy_mj = 2000
        wait_until(lambda: site.readings["energy", "in"] > before_s, "energy goes on rising")
        assert site.readings["energy", "in"] == before_s + 2.0


def test_unplugged_under_a_lease(site: Site, model: ModelNode, line: SerialLine) -> None:
    with site.agent():
        site.cap(0, 60)
        line.unplug()
        wait_until(lambda: site.told("device-fault"), "the loss is told")
        reply = site.cap(0, 60, "relay2")
        assert reply.outcome is Outcome.REFUSED and "is not there" in reply.why
        time.sleep(1.0)  # what was read before is still on its way
        newest = site.newest_ns
        time.sleep(1.0)
        assert site.newest_ns == newest, "no number while nothing is read"
        model.reset()
        model.happen(EventCode.FAN_STALLED, 2)
        line.plug()
        wait_until(lambda: _held(model), "it is held again")
        wait_until(lambda: site.told("fan-stalled"), "what happened meanwhile is told")
        wait_until(lambda: site.newest_ns > newest, "readings go on")
        faults = [event for event in site.events if event.kind == "device-fault"]
        assert len(faults) == 1, "one loss, one event"


def test_the_guard_outranks_a_lease_and_is_named(site: Site, model: ModelNode) -> None:
    with site.agent():
        site.cap(0.2, 60, "fan1")
        model.forced["fan1"] = (Source.GUARD, 10_000)
        wait_until(lambda: site.told("actuator-reverted"), "its event")
        (event,) = [event for event in site.events if event.kind == "actuator-reverted"]
        assert "fan1: is 1, although a lease holds it at 0.2: the node's guard" in event.message
        assert event.data["actuator"] == "fan1"
        assert site.cap(0.2, 60, "fan1").outcome is Outcome.CLAMPED
        model.forced.clear()
        wait_until(lambda: site.told("actuator-recovered"), "the lease counts again")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
def test_the_board_lets_go_by_itself_when_the_agent_is_gone(
    tmp_path: Path, broker: Service, number: signal.Signals
) -> None:
    port = tmp_path / "tty"
    with Machine(board("mps2"), tmp_path, port) as machine:
        world, site = MachineStimulus(machine), Site(tmp_path, broker, port)
        with site.agent() as agent:
            assert world.relay(1)
            assert site.cap(0, 60).outcome is Outcome.APPLIED
            assert not world.relay(1)
            agent.signal(number)
            held_s = time.monotonic()
            wait_until(lambda: world.relay(1), "the relay falls to its safe state, closed")
            assert 1.0 < time.monotonic() - held_s < 10.0, "not at once: the node's own 3 s pass first"
            agent.kill()
        site.fleet.close()
