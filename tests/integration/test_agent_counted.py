"""The agent with a device that counts its readings: reloads, stops, hangs and an unset clock cost none."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from edgeagent_sdk.messages import Status
from edgeagent_sdk.names import Identity
from tests.fakeclock import FakeClock
from tests.faults.verdict import read_ledger
from tests.responder import Responder, responder
from tests.services import Service, mosquitto, wait_until

PLUGIN = Path(__file__).parents[1] / "faults" / "plugin"


ME = Identity("s1", "n1")


def numbers(taken: Responder, device: str = "counter") -> list[int]:
    """The counting device's numbers, in the order of their first arrival."""
    found = [int(r.value) for r in list(taken.readings) if (r.device, r.channel) == (device, "c0")]
    return list(dict.fromkeys(found))


def status(taken: Responder) -> Status | None:
    """What the node last said of itself."""
    state = (taken.states.get(ME) or [None])[-1]
    return state.status if state else None


class Stage:
    """A broker, a receiver, and an agent whose configuration can be written."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self.directory = directory
        self.broker = stack.enter_context(mosquitto(directory))
        self.taken = stack.enter_context(responder(self.broker.url))
        self.config = directory / "agent.toml"
        self.agent = Service(
            [sys.executable, "-m", "edgeagent.daemon", "--config", str(self.config)],
            directory,
            name="agent",
            environment={"PYTHONPATH": os.pathsep.join([str(PLUGIN), os.environ.get("PYTHONPATH", "")])},
        )
        stack.callback(self.agent.stop)

    def write(self, devices: str = "", *, top: str = "", outbox: str = "") -> None:
        self.config.write_text(
            f'site = "s1"\nnode = "n1"\nstate_dir = "{self.directory}/state"\n{top}\n'
            f'[broker]\nurl = "{self.broker.url}"\nkeepalive_s = 5\n'
            f"[outbox]\nbatch_s = 0.2\nack_timeout_s = 1.0\n{outbox}\n[agent]\ninterval_s = 0.5\n{devices}"
        )

    def counter(self, name: str = "counter", interval_s: float = 0.05, more: str = "") -> str:
        return (
            f'[[device]]\nname = "{name}"\ndriver = "counting"\ninterval_s = {interval_s}\n'
            f'ledger = "{self.directory}/{name}.ledger"\nchannels = 1\n{more}\n'
        )

    def produced(self, name: str = "counter") -> set[int]:
        """The numbers that the agent has certainly taken from a counting device."""
        return set(read_ledger(self.directory / f"{name}.ledger").taken)

    def log(self) -> str:
        return self.agent.log.read_text("utf-8")


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with ExitStack() as stack:
        yield Stage(tmp_path, stack)


def whole(numbers: list[int]) -> bool:
    """Whether no number between the first and the last is missing."""
    return sorted(numbers) == list(range(min(numbers), max(numbers) + 1))


def test_a_reload_loses_no_reading(stage: Stage) -> None:
    stage.write(stage.counter())
    stage.agent.start()
    wait_until(lambda: len(numbers(stage.taken)) > 10, "readings")
    for interval_s in (0.02, 0.1, 0.05):
        stage.write(stage.counter(interval_s=interval_s) + stage.counter("second"))
        stage.agent.signal(signal.SIGHUP)
        time.sleep(0.7)
    wait_until(lambda: len(numbers(stage.taken, "second")) > 10, "the new device reads")
    stage.write(stage.counter())
    stage.agent.signal(signal.SIGHUP)
    time.sleep(0.7)
    assert stage.agent.stop() == 0
    produced = stage.produced()
    wait_until(lambda: produced <= set(numbers(stage.taken)), "all of them arrive")
    second = stage.produced("second")
    assert second <= set(numbers(stage.taken, "second"))


def test_another_broker_after_a_reload(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    stage.write(stage.counter())
    stage.agent.start()
    wait_until(lambda: len(numbers(stage.taken)) > 5, "readings")
    with mosquitto(tmp_path / "other") as other, responder(other.url) as receiver:
        stage.config.write_text(stage.config.read_text().replace(stage.broker.url, other.url))
        stage.agent.signal(signal.SIGHUP)
        wait_until(lambda: len(numbers(receiver)) > 5, "readings at the other broker")
        assert stage.agent.stop() == 0
        assert whole(list({*numbers(stage.taken), *numbers(receiver)}))


@pytest.mark.parametrize("broker_is_there", [True, False])
def test_a_clean_stop_takes_less_than_five_seconds_and_loses_nothing(
    stage: Stage, broker_is_there: bool
) -> None:
    stage.write(stage.counter())
    stage.agent.start()
    wait_until(lambda: len(numbers(stage.taken)) > 5, "readings")
    if not broker_is_there:
        stage.broker.kill()
        time.sleep(0.5)
    begun = time.monotonic()
    assert stage.agent.stop() == 0
    assert time.monotonic() - begun < 5
    assert "Traceback" not in stage.log()
    produced = stage.produced()
    if not broker_is_there:
        stage.broker.start()
        stage.agent.start()
    wait_until(lambda: produced <= set(numbers(stage.taken)), "all of them arrive")
    stage.agent.stop()
    assert status(stage.taken) is Status.OFFLINE


def test_the_will_tells_of_a_crash(stage: Stage) -> None:
    stage.write(stage.counter())
    stage.agent.start()
    wait_until(lambda: status(stage.taken) is Status.ONLINE, "online")
    stage.agent.kill()
    wait_until(lambda: status(stage.taken) is Status.OFFLINE, "offline")


def test_a_device_that_hangs_hurts_nobody_else(stage: Stage) -> None:
    chip = stage.directory / "root/sys/class/hwmon/hwmon0"
    chip.mkdir(parents=True)
    (chip / "name").write_text("stuck")
    os.mkfifo(chip / "temp1_input")
    hwmon = '[[device]]\nname = "stuck"\ndriver = "hwmon"\nchip = "stuck"\ninterval_s = 0.2\n'
    stage.write(hwmon + stage.counter(), top=f'host_root = "{stage.directory}/root"')
    stage.agent.start()
    wait_until(lambda: "stuck: no reading for" in stage.log(), "it is reported")
    before = len(numbers(stage.taken))
    wait_until(lambda: len(numbers(stage.taken)) > before + 20, "the other reads on")
    assert stage.log().count("stuck: no reading for") == 1
    begun = time.monotonic()
    assert stage.agent.stop() == 0
    assert time.monotonic() - begun < 5


def test_an_agent_that_was_stopped_blames_no_device(stage: Stage) -> None:
    """As by SIGSTOP, a debugger or a hypervisor that pauses; a device that hung before is not told again."""
    stuck = stage.directory / "root/sys/class/hwmon/hwmon0"
    stuck.mkdir(parents=True)
    (stuck / "name").write_text("stuck")
    os.mkfifo(stuck / "temp1_input")
    hwmon = '[[device]]\nname = "stuck"\ndriver = "hwmon"\nchip = "stuck"\ninterval_s = 0.2\n'
    counters = stage.counter(interval_s=0.5) + stage.counter("second", interval_s=0.5)
    stage.write(hwmon + counters, top=f'host_root = "{stage.directory}/root"')
    stage.agent.start()
    wait_until(lambda: "stuck: no reading for" in stage.log(), "the one that hangs is reported")
    wait_until(lambda: bool(numbers(stage.taken, "second")), "the others are read")
    stage.agent.pause()
    time.sleep(4)
    stage.agent.resume()
    wait_until(lambda: "the agent did not run for" in stage.log(), "it says so")
    before = len(numbers(stage.taken, "second"))
    wait_until(lambda: len(numbers(stage.taken, "second")) > before + 3, "it reads on")
    assert stage.log().count("the agent did not run for") == 1
    assert stage.log().count("the driver hangs") == 1


def test_a_clock_that_is_not_set_yet(stage: Stage, tmp_path: Path) -> None:
    """Readings from before the clock was set are held back, and get their true time when it is."""
    begun = time.time()
    clock = FakeClock(tmp_path, -int(begun) + 1000)  # minutes after 1970
    stage.agent._environment |= clock.environment
    stage.write(stage.counter())
    stage.agent.start()
    time.sleep(3)
    assert numbers(stage.taken) == [], "nothing goes out with a time that cannot be true"
    clock.set(0)
    wait_until(lambda: 0 in numbers(stage.taken), "the first readings come", 15)
    wait_until(lambda: len(numbers(stage.taken)) > 60, "and the others")
    stamps = {int(r.value): r.time_ns / 1e9 for r in list(stage.taken.readings) if r.device == "counter"}
    assert whole(list(stamps))
    assert all(begun - 1 < stamp < time.time() + 1 for stamp in stamps.values())
    ordered = [stamps[number] for number in sorted(stamps)]
    assert ordered == sorted(ordered)
    assert max(b - a for a, b in pairwise(ordered)) < 1.5


def test_events_that_happen_offline_arrive_later(stage: Stage) -> None:
    stage.write(stage.counter())
    stage.agent.start()
    wait_until(lambda: bool(numbers(stage.taken)), "readings")
    stage.broker.kill()
    time.sleep(1)
    heard: list[str] = []
    stage.broker.start()
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.on_message = lambda _c, _d, message: heard.append(json.loads(message.payload)["kind"])
    client.connect("127.0.0.1", stage.broker.port)
    client.subscribe("edge/v1/s1/n1/event", 1)
    client.loop_start()
    wait_until(lambda: {"link-lost", "link-recovered"} <= set(heard), "both events", 15)
    client.disconnect()
    client.loop_stop()
