"""The agent as a process, on a made-up machine, against a real broker."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from edgeagent.outbox_file import stats
from edgeagent_sdk.errors import EdgeError
from edgeagent_sdk.fleet import Fleet
from edgeagent_sdk.messages import Ack, Command, Event, Outcome, Refusal, Reply, Severity, Status
from edgeagent_sdk.mqtt import Broker
from edgeagent_sdk.names import Identity
from edgeagent_sdk.topics import topic
from tests.authority import Authority
from tests.integration.machine import Machine
from tests.responder import Responder, responder, stored
from tests.services import Service, mosquitto, wait_until

_ME = Identity("lab", "n1")

#: At 10 Hz. A busy test machine may miss one reading; a batch that is lost costs two at least.
_HOLE_S = 0.25


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Service]:
    with mosquitto(tmp_path, persistence=False) as service:
        yield service


@pytest.fixture
def machine(tmp_path: Path, broker: Service) -> Machine:
    return Machine(tmp_path, broker.url)


def _stamps(taken: Responder) -> dict[str, list[float]]:
    """When each series was read, in seconds, each reading once."""
    seen: dict[str, set[int]] = defaultdict(set)
    for reading in list(taken.readings):
        seen[f"{reading.device}/{reading.channel}"].add(reading.time_ns)
    return {series: [ns / 1e9 for ns in sorted(stamps)] for series, stamps in seen.items()}


def _largest_hole_s(stamps: list[float]) -> float:
    return max(b - a for a, b in pairwise(stamps))


def _some(taken: Responder, count: int = 20) -> Callable[[], bool]:
    """Whether so many readings have come since this call."""
    start = len(taken.readings)
    return lambda: len(taken.readings) >= start + count


def test_it_says_what_it_has_and_sends_it_in_time(machine: Machine, broker: Service) -> None:
    with responder(broker.url) as taken, machine.agent():
        wait_until(_some(taken), "readings")
        wait_until(lambda: _ME in taken.describes, "its description")
    state, describe = taken.states[_ME][-2], taken.describes[_ME]
    assert state is not None and state.status is Status.ONLINE
    assert [(c.device, c.channel, c.quantity, c.unit) for c in describe.channels] == [
        ("chip0", "temp1", "temperature", "Cel"),
        ("chip0", "temp2", "temperature", "Cel"),
    ]
    first = taken.headers[0]
    assert (first.boot, first.seq, first.instance) == (describe.boot, 1, state.instance)
    assert {(r.quantity, r.device, r.channel, r.value) for r in taken.readings} == {
        ("temperature", "chip0", "temp1", 40.007),
        ("temperature", "chip0", "temp2", 40.014),
    }


def test_sigterm_ends_it_in_time_with_everything_sent(machine: Machine, broker: Service) -> None:
    with responder(broker.url) as taken, machine.agent() as agent:
        wait_until(_some(taken), "readings")
        begun = time.monotonic()
        assert agent.stop() == 0
        assert time.monotonic() - begun < 5
        wait_until(lambda: _status(taken) is Status.OFFLINE, "it says goodbye")
    left = stats(machine.outbox_file)
    assert (left.batches, left.unsealed) == (0, 0)
    assert sum(h.readings for h in taken.headers) == len(taken.readings)


def _status(taken: Responder) -> Status | None:
    state = taken.states[_ME][-1]
    return state.status if state else None


def test_sigterm_without_a_broker_keeps_everything_on_the_disk(machine: Machine, broker: Service) -> None:
    broker.stop()
    with machine.agent() as agent:
        time.sleep(1.5)
        begun = time.monotonic()
        assert agent.stop() == 0
        assert time.monotonic() - begun < 5
    waiting = stats(machine.outbox_file)
    assert waiting.readings + waiting.unsealed >= 20
    broker.start()
    with responder(broker.url) as taken, machine.agent():
        wait_until(lambda: bool(taken.headers) and stats(machine.outbox_file).batches < 3, "it empties")
    assert [h.seq for h in taken.headers] == list(range(1, len(taken.headers) + 1))
    assert len(taken.readings) >= waiting.readings


def test_a_killed_agent_goes_on_where_it_was(machine: Machine, broker: Service) -> None:
    with responder(broker.url) as taken:
        with machine.agent() as agent:
            wait_until(_some(taken), "readings")
            agent.kill()
        wait_until(lambda: _status(taken) is Status.OFFLINE, "the broker publishes the will")
        with machine.agent():
            wait_until(_some(taken), "more readings")
    assert len({h.boot for h in taken.headers}) == 1
    numbers = {h.seq for h in taken.headers}
    assert numbers == set(range(1, max(numbers) + 1))


@pytest.mark.parametrize(
    ("chips", "changed"), [(2, {"chip0", "chip1"}), (3, {"chip0", "chip1", "chip2"}), (0, set())]
)
def test_a_reload_changes_devices_and_costs_the_others_nothing(
    chips: int, changed: set[str], machine: Machine, broker: Service
) -> None:
    with responder(broker.url) as taken, machine.agent() as agent:
        wait_until(_some(taken), "readings")
        machine.chips = chips
        machine.configure()
        agent.signal(signal.SIGHUP)
        wait_until(lambda: f"{chips} devices" in machine.log(), "it has reloaded")
        wait_until(lambda: {c.device for c in taken.describes[_ME].channels} == changed, "it says so")
        if chips:
            wait_until(_some(taken, 40), "more readings")
    for series, stamps in _stamps(taken).items():
        assert _largest_hole_s(stamps) < _HOLE_S, series
    assert {series.partition("/")[0] for series in _stamps(taken)} == changed | {"chip0"}


def test_a_reload_to_another_broker_takes_the_readings_along(tmp_path: Path, machine: Machine) -> None:
    (tmp_path / "second").mkdir()
    with (
        mosquitto(tmp_path / "second", persistence=False) as other,
        responder(machine.url) as here,
        responder(other.url) as there,
        machine.agent() as agent,
    ):
        wait_until(_some(here), "readings")
        machine.url = other.url
        machine.configure()
        agent.signal(signal.SIGHUP)
        wait_until(_some(there), "readings at the other broker")
        both = {(r.time_ns, r.channel) for r in [*here.readings, *there.readings]}
        wait_until(lambda: _status(here) is Status.OFFLINE, "it has left the first")
    stamps = sorted({ns / 1e9 for ns, _ in both})
    assert _largest_hole_s(stamps) < _HOLE_S
    numbers = {h.seq for h in [*here.headers, *there.headers]}
    assert numbers == set(range(1, max(numbers) + 1))


def test_a_bad_configuration_is_not_reloaded(machine: Machine, broker: Service) -> None:
    with responder(broker.url) as taken, machine.agent() as agent:
        wait_until(_some(taken), "readings")
        machine.config.write_text(machine.config.read_text() + 'colour = "red"\n')
        agent.signal(signal.SIGHUP)
        wait_until(lambda: "not reloaded, going on as before" in machine.log(), "it says so")
        wait_until(_some(taken), "more readings")
        line = next(line for line in machine.log().splitlines() if "not reloaded" in line)
        assert "agent.toml:" in line and "colour: unknown key" in line
    assert _largest_hole_s(_stamps(taken)["chip0/temp1"]) < _HOLE_S


def test_systemd_is_told_how_it_is(tmp_path: Path, machine: Machine) -> None:
    said: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(tmp_path / "notify"))
        ear.settimeout(0.2)
        ended = threading.Event()

        def listen() -> None:
            while not ended.is_set():
                try:
                    said.extend(ear.recv(4096).decode().splitlines())
                except TimeoutError:
                    pass

        thread = threading.Thread(target=listen)
        thread.start()
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "900000"}
        with machine.agent(**environment) as agent:
            wait_until(lambda: said.count("WATCHDOG=1") >= 5, "it keeps the watchdog quiet", 3.0)
            agent.signal(signal.SIGHUP)
            wait_until(lambda: said.count("READY=1") == 2, "it is ready again")
            agent.stop()
            wait_until(lambda: "STOPPING=1" in said, "it says that it stops")
        ended.set()
        thread.join()
    essence = [word for word in said if not word.startswith(("WATCHDOG", "MONOTONIC"))]
    assert essence == ["READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]


@pytest.mark.parametrize(("delivery", "empties"), [("broker", True), ("stored", False)])
def test_who_must_have_a_batch_before_it_leaves(
    delivery: str, empties: bool, machine: Machine, broker: Service
) -> None:
    machine.outbox += f'\ndelivery = "{delivery}"'
    with responder(broker.url, lambda boot, seq: None) as taken, machine.agent() as agent:
        wait_until(lambda: len(taken.headers) >= 5, "batches")
        agent.stop()
    assert (stats(machine.outbox_file).batches == 0) is empties


def test_what_is_not_acknowledged_comes_again_and_what_is_refused_goes(
    machine: Machine, broker: Service
) -> None:
    machine.outbox += "\nack_timeout_s = 1.0"
    seen: set[int] = set()

    def answer(boot: str, seq: int) -> Ack | None:
        if seq == 1:
            return Ack(boot=boot, refused=[Refusal(seq=1, reason="never that one")])
        again = seq in seen
        seen.add(seq)
        return stored(boot, seq) if again or seq > 5 else None

    with (
        Fleet(broker.url) as fleet,
        _heard(fleet) as heard,
        responder(broker.url, answer) as taken,
        machine.agent() as agent,
    ):
        wait_until(lambda: stats(machine.outbox_file).next_seq > 10, "more batches")
        wait_until(lambda: all(_times(taken, seq) == 2 for seq in range(2, 6)), "they come again")
        wait_until(lambda: any(isinstance(message, Event) for message in heard), "an event")
        agent.stop()
    assert stats(machine.outbox_file).batches == 0
    assert _times(taken, 1) == 1
    (event,) = [message for message in heard if isinstance(message, Event)]
    assert (event.kind, event.severity) == ("batch-refused", Severity.ERROR)
    assert "batch 1: never that one" in event.message


def _times(taken: Responder, seq: int) -> int:
    return sum(header.seq == seq for header in taken.headers)


@contextmanager
def _heard(fleet: Fleet) -> Iterator[list[Any]]:
    """Every message of the node from now on."""
    heard: list[Any] = []
    watching = threading.Event()

    def watch() -> None:
        watching.set()
        for _, message in fleet.watch():
            heard.append(message)

    thread = threading.Thread(target=watch)
    thread.start()
    watching.wait()
    time.sleep(0.05)
    yield heard
    fleet.close()
    thread.join()


def test_commands_are_answered(machine: Machine, broker: Service) -> None:
    with Fleet(broker.url) as fleet, responder(broker.url) as taken, machine.agent():
        wait_until(_some(taken), "readings")
        ping = fleet.command("lab", "n1", "ping")
        assert ping.outcome is Outcome.APPLIED
        assert ping.holds["instance"] == taken.headers[0].instance
        read = fleet.command("lab", "n1", "read", {"device": "chip0"})
        assert {c["channel"]: c["value"] for c in read.holds["channels"]} == {
            "temp1": 40.007,
            "temp2": 40.014,
        }
        assert all(0 <= c["age_s"] < 1 for c in read.holds["channels"])
        for name, body, why in (
            ("red", {}, "did you mean 'read'?"),
            ("read", {"device": "x"}, "no device 'x'"),
        ):
            refused = fleet.command("lab", "n1", name, body)
            assert refused.outcome is Outcome.REFUSED and why in refused.why
        with pytest.raises(EdgeError, match="no reply within"):
            fleet.command("lab", "nobody", "ping", ttl_s=0.3)


def test_every_command_of_a_burst_is_answered(machine: Machine, broker: Service) -> None:
    """Though the MQTT client itself takes no more than four messages at a time."""
    machine.outbox += "\nwindow = 1"
    commands = [Command.new({}, ttl_s=60.0) for _ in range(200)]
    with Fleet(broker.url) as fleet, _heard(fleet) as heard, responder(broker.url) as taken, machine.agent():
        wait_until(_some(taken), "readings")
        for command in commands:
            taken.session.publish(topic(_ME, "cmd", "ping"), command.encode())
        wait_until(
            lambda: (
                {command.id for command in commands}
                <= {message.id for message in list(heard) if isinstance(message, Reply)}
            ),
            "all replies",
        )


def test_a_command_is_carried_out_in_its_time_and_once(machine: Machine, broker: Service) -> None:
    old = Command(id="old", issued_ns=time.time_ns() - 10 * 10**9, ttl_s=5.0)
    new = Command.new({}, ttl_s=60.0)
    with Fleet(broker.url) as fleet, _heard(fleet) as heard, responder(broker.url) as taken, machine.agent():
        wait_until(_some(taken), "readings")
        for command in (old, new, new):
            taken.session.publish(topic(_ME, "cmd", "ping"), command.encode())
        wait_until(lambda: sum(isinstance(message, Reply) for message in heard) == 3, "replies")
    late, first, again = (message for message in heard if isinstance(message, Reply))
    assert (late.id, late.outcome) == ("old", Outcome.EXPIRED)
    assert "its time to live of 5 s ended" in late.why
    assert first == again and (first.id, first.outcome) == (new.id, Outcome.APPLIED)


def test_a_sensor_that_goes_is_a_fault_and_no_number(machine: Machine, broker: Service) -> None:
    file = machine.root / "sys/class/hwmon/hwmon0/temp1_input"
    with responder(broker.url) as taken, machine.agent():
        wait_until(_some(taken), "readings")
        file.write_text("garbage\n")
        wait_until(lambda: "chip0/temp1: " in machine.log(), "it is reported")
        time.sleep(0.5)
        broken = len(_stamps(taken)["chip0/temp1"])
        wait_until(_some(taken), "its neighbour's readings")
        assert len(_stamps(taken)["chip0/temp1"]) == broken
        file.write_text("41000\n")
        wait_until(lambda: "chip0/temp1: reads again" in machine.log(), "it recovers")
        wait_until(lambda: any(r.value == 41.0 for r in taken.readings), "its readings")
    assert {r.value for r in taken.readings if r.channel == "temp1"} == {40.007, 41.0}
    assert _largest_hole_s(_stamps(taken)["chip0/temp2"]) < _HOLE_S


def test_mutual_tls(tmp_path: Path) -> None:
    home = tmp_path / "authority"
    home.mkdir()
    authority = Authority(home)
    cert, key = authority.issue("broker", "IP:127.0.0.1")
    mine, my_key = authority.issue("n1", "DNS:n1")
    extra = f"cafile {authority.ca}\ncertfile {cert}\nkeyfile {key}\nrequire_certificate true\n"
    with mosquitto(tmp_path, config_extra=extra, persistence=False) as broker:
        url = broker.url.replace("mqtt://", "mqtts://")
        machine = Machine(tmp_path, url)
        machine.broker = f'ca = "{authority.ca}"\ncert = "{mine}"\nkey = "{my_key}"\n'
        settings = Broker(url=url, ca=str(authority.ca), cert=str(mine), key=str(my_key))
        with Fleet(settings, data=True) as fleet, machine.agent():
            wait_until(lambda: _ME in fleet.nodes() and bool(fleet.nodes()[_ME].latest), "readings")
            assert fleet.command("lab", "n1", "ping").outcome is Outcome.APPLIED


def test_two_agents_in_one_directory_are_refused(machine: Machine) -> None:
    with machine.agent():
        command = [sys.executable, "-m", "edgeagent.daemon", "--config", str(machine.config)]
        second = Service(command, machine.home, name="second").start(wait=False)
        assert second.proc is not None and second.proc.wait(10) == 1
        assert "another agent runs with it" in second.last_words()
        assert second.log.read_text().count("\n") == 1


def test_the_daemon_is_lean(machine: Machine, broker: Service) -> None:
    with responder(broker.url) as taken, machine.agent() as agent:
        wait_until(_some(taken), "readings")
        maps = Path(f"/proc/{agent.pid}/maps").read_text()
        resident = int(Path(f"/proc/{agent.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    assert "pydantic" not in maps
    assert resident < 45e6
