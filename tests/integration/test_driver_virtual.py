"""Virtual channels in a running agent: computed, faulty when what they are made of is, kept over restarts."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeagent_sdk.names import Identity
from tests.integration.cli import edgeagent
from tests.integration.machine import Machine
from tests.responder import Responder, responder
from tests.services import Service, mosquitto, wait_until

_VIRTUAL = """
[[device]]
name = "sums"
driver = "virtual"
interval_s = 0.1
gap_s = 5

[device.channels]
"temperature/mean" = "mean({chip0/temperature/*})"
"temperature/rise" = "{chip0/temperature/temp2} - {chip0/temperature/temp1}"
"energy/made-up" = "integral(100 [W/K] * ({chip0/temperature/temp2} - {chip0/temperature/temp1}))"
"""


class _Machine(Machine):
    """With a virtual device."""

    more = ""  # channels of it

    def configure(self) -> None:
        super().configure()
        with self.config.open("a") as file:
            file.write(_VIRTUAL + self.more)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Service]:
    with mosquitto(tmp_path, persistence=False) as service:
        yield service


@pytest.fixture
def machine(tmp_path: Path, broker: Service) -> _Machine:
    return _Machine(tmp_path, broker.url)


def _values(taken: Responder, channel: str) -> list[float]:
    return [r.value for r in list(taken.readings) if r.device == "sums" and r.channel == channel]


def _wait_for_more(taken: Responder) -> None:
    more = len(taken.readings)
    wait_until(lambda: len(taken.readings) > more + 10, "other readings")


def test_values_and_their_channels(machine: Machine, broker: Service) -> None:
    with responder(broker.url) as taken, machine.agent():
        wait_until(lambda: len(_values(taken, "made-up")) > 5, "energy")
    assert _values(taken, "mean")[-1] == pytest.approx((40.007 + 40.014) / 2)
    assert _values(taken, "rise")[-1] == pytest.approx(0.007)
    energy = _values(taken, "made-up")
    assert energy == sorted(energy) and energy[-1] > energy[0]
    described = {c.channel: c for c in taken.describes[Identity("lab", "n1")].channels if c.device == "sums"}
    assert described["made-up"].kind == "counter"
    assert described["mean"].description == "mean({chip0/temperature/*})"


def test_energy_goes_on_after_a_restart(machine: Machine, broker: Service) -> None:
    with responder(broker.url) as taken:
        for _ in range(2):
            before = len(_values(taken, "made-up"))
            with machine.agent() as agent:
                wait_until(lambda n=before: len(_values(taken, "made-up")) > n + 5, "energy")  # type: ignore[misc]
                agent.stop()
    energy = _values(taken, "made-up")
    assert energy == sorted(energy)


def test_an_input_that_fails_fails_what_is_made_of_it(machine: Machine, broker: Service) -> None:
    with responder(broker.url) as taken, machine.agent():
        wait_until(lambda: len(_values(taken, "rise")) > 2, "values")
        (machine.root / "sys/class/hwmon/hwmon0/temp2_input").write_text("rubbish\n")
        wait_until(lambda: "sums/rise: chip0/temperature/temp2" in machine.log(), "a word of it")
        _wait_for_more(taken)  # what was read before may still be on its way
        count = len(_values(taken, "rise"))
        _wait_for_more(taken)
        assert len(_values(taken, "rise")) == count


def test_a_device_that_a_reload_brings_is_taken_in_and_a_bad_expression_fails_alone(
    machine: _Machine, broker: Service
) -> None:
    machine.more = (
        '"temperature/all" = "max({chip*/temperature/temp1})"\n"temperature/bad" = "1 [K] * 1e300 ** 2"\n'
    )
    with responder(broker.url) as taken, machine.agent() as agent:
        wait_until(lambda: len(_values(taken, "all")) > 2, "values")
        before = _values(taken, "all")[-1]
        (machine.root / "sys/class/hwmon/hwmon1/temp1_input").write_text("71000\n")
        machine.chips = 2
        machine.configure()
        agent.signal(signal.SIGHUP)
        wait_until(lambda: _values(taken, "all")[-1] == pytest.approx(71.0), "the new chip's temperature")
    assert before < 71.0
    assert not _values(taken, "bad")


def test_a_single_pass_reads_it_after_the_others(machine: Machine, broker: Service) -> None:
    machine.configure()
    result = edgeagent("read", "--config", str(machine.config), "--json")
    rows = {(row["device"], row["channel"]): row for row in json.loads(result.out)}
    assert rows["sums", "mean"]["value"] == pytest.approx((40.007 + 40.014) / 2)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ('"temperature/x" = "{chip0/temperature/nope}"', "there is no channel {chip0/temperature/nope}"),
        ('"power/x" = "{chip0/temperature/temp1}"', "comes out in K, not in W"),
        ('"temprature/x" = "1"', "did you mean 'temperature'?"),
        ('"energy/x" = "1 [J]"', ""),
    ],
)
def test_a_mistake_is_a_fault_in_words(machine: Machine, entry: str, words: str) -> None:
    machine.configure()
    text = machine.config.read_text().partition("[device.channels]")[0]
    machine.config.write_text(f"{text}[device.channels]\n{entry}\n")
    result = edgeagent("read", "sums", "chip0", "--config", str(machine.config), "--json")
    [row] = [row for row in json.loads(result.out) if row["device"] == "sums"]
    assert words in (row["fault"] or "")
