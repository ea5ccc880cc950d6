"""What a model gives becomes channels; what is wrong with it is a fault in words, and nobody else's."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edgeagent.drivers.model import supervisor
from edgeagent.drivers.model.sensor import ModelSensor
from edgeagent_sdk.channel import Fault, Value
from edgeagent_sdk.driver import Host
from edgeagent_sdk.errors import DriverError
from tests.services import wait_until

from .bus import INPUTS, WINDOW, Rig, alive, environment, until, values


@contextmanager
def opened(sensor: ModelSensor) -> Iterator[ModelSensor]:
    """The driver, open, and given its first good reading."""
    try:
        sensor.open()
        values(sensor)
        yield sensor
    finally:
        sensor.close()


def reason(read: list[Value]) -> str:
    """Why there is no number."""
    assert isinstance(read[0], Fault), read
    return read[0].reason


def kinds(sensor: ModelSensor) -> list[str]:
    return [occurrence.kind for occurrence in sensor.occurrences()]


def pid(sensor: ModelSensor) -> int:
    process = sensor._supervisor.process
    assert process is not None
    return process.pid


@pytest.mark.parametrize(
    ("output", "value"),
    [
        ({}, WINDOW * (200 + 60)),
        ({"tensor": "last"}, 200.0),
        ({"tensor": "last", "index": 1}, 60.0),
        ({"tensor": "last", "unit": "kW"}, 200e3),
        ({"tensor": "last", "scale": 2.0, "offset": -1.0}, 399.0),
        ({"tensor": "last", "quantity": "temperature", "unit": "Cel"}, 200.0),
    ],
)
def test_numbers_become_channels(rig: Rig, output: dict[str, Any], value: float) -> None:
    with opened(rig.sensor(outputs=[{"channel": "y", "quantity": "power"} | output])) as sensor:
        [number, latency_s] = values(sensor)
    assert number == pytest.approx(value)
    assert isinstance(latency_s, float) and 0 < latency_s < 5


def test_inputs_are_scaled_by_name_before_quantity(rig: Rig) -> None:
    scaling = {"temperature": [20.0, 10.0], INPUTS[0]: [100.0, 50.0], "power": [0.0, 1e6]}
    outputs = [{"channel": f"y{i}", "quantity": "state", "tensor": "last", "index": i} for i in (0, 1)]
    with opened(rig.sensor(scaling=scaling, outputs=outputs)) as sensor:
        assert values(sensor)[:2] == pytest.approx([2.0, 4.0])


@pytest.mark.parametrize(
    ("script", "keys"),
    [
        ({"shape": [1, 2, WINDOW]}, {"layout": "channels-window"}),
        ({"shape": [1, 2 * WINDOW]}, {"layout": "flat"}),
        ({"shape": [None, "time", 2]}, {}),
        ({"type": "tensor(double)"}, {}),
        ({"type": "tensor(float16)"}, {}),
    ],
)
def test_layouts_and_types(rig: Rig, script: dict[str, Any], keys: dict[str, Any]) -> None:
    rig.write(**script)
    with opened(rig.sensor(**keys)) as sensor:
        assert values(sensor)[0] == pytest.approx(WINDOW * 260)


@pytest.mark.parametrize(
    ("script", "keys", "words"),
    [
        ({"shape": [1, 5, 2]}, {}, "it takes (1, 5, 2), but window = 4 and 2 inputs give (1, 4, 2)"),
        ({"shape": [1, 4]}, {"layout": "flat"}, "it takes (1, 4), but window = 4 and 2 inputs give (1, 8)"),
        ({"type": "tensor(int64)"}, {}, "it takes int64, not floats; convert the model"),
        ({"type": "seq(tensor(float))"}, {}, "it takes seq(tensor(float)), not floats"),
        ({}, {"outputs": [{"channel": "y", "quantity": "power", "index": 1}]}, "there is no index 1"),
        (
            {},
            {"outputs": [{"channel": "y", "quantity": "power", "tensor": "sun"}]},
            "there is no output 'sun'; there are: sum, last",
        ),
        ({"load": "segv"}, {}, "it crashed (SIGSEGV)"),
        ({"load": "abort"}, {}, "it crashed (SIGABRT; perhaps for want of memory, memory_mb = 512)"),
        ({"load": "exit"}, {}, "it ended by itself, with exit code 3"),
        ({"load": "eat"}, {}, "it needs more than 512 MB of memory; raise memory_mb"),
        ({"load": "raise"}, {}, "a node of the graph was given the wrong shape"),
    ],
)
def test_a_model_that_will_not_do_is_refused_in_words(
    rig: Rig, script: dict[str, Any], keys: dict[str, Any], words: str
) -> None:
    rig.write(**script)
    sensor = rig.sensor(**keys)
    with pytest.raises(DriverError) as error:
        sensor.open()
    assert words in str(error.value) and "\n" not in str(error.value)


def test_check_tells_it_without_an_agent(rig: Rig) -> None:
    assert not list(ModelSensor.examine(Host(), rig.sensor().options))
    rig.write(shape=[1, 5, 2])
    [(key, said)] = ModelSensor.examine(Host(), rig.sensor().options)
    assert key == "file" and "it takes (1, 5, 2)" in said and "tried again" not in said


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda rig: rig.file.unlink(), "no such file or directory"),
        (lambda rig: rig.file.write_bytes(b""), "is empty"),
        (lambda rig: rig.file.write_bytes(b"\x93garbage"), "codec can't decode"),
        (lambda rig: (rig.file.unlink(), rig.file.mkdir()), "not a file"),
        (lambda rig: rig.bus.values.pop(INPUTS[1]), "there is no channel gpu/temperature/die; gpu has"),
        (lambda rig: rig.bus.values.clear(), "is there a device gpu?"),
    ],
)
def test_what_is_not_there_is_told(rig: Rig, harm: Callable[[Rig], object], words: str) -> None:
    harm(rig)
    with pytest.raises(DriverError) as error:
        rig.sensor().open()
    assert words in str(error.value)


def test_outside_an_agent_there_are_no_channels(rig: Rig) -> None:
    rig.host = Host()
    with pytest.raises(DriverError, match="only be had inside an agent"):
        rig.sensor().open()


@pytest.mark.parametrize(
    ("deed", "words"),
    [
        ("segv", "it crashed (SIGSEGV)"),
        ("abort", "it crashed (SIGABRT"),
        ("exit", "it ended by itself, with exit code 3"),
        ("close", "it ended by itself, with exit code 1"),
    ],
)
def test_a_crash_costs_a_reading_then_a_new_process_goes_on(rig: Rig, deed: str, words: str) -> None:
    with opened(rig.sensor()) as sensor:
        first = pid(sensor)
        rig.mood(deed)
        assert words in reason(until(sensor, lambda read: isinstance(read[0], Fault)))
        rig.mood("sum")
        assert kinds(sensor) == ["model-crashed"]
        assert values(sensor)[0] == pytest.approx(WINDOW * 260)
        assert pid(sensor) != first and not alive(first)


def test_the_third_crash_disables_it_until_its_file_changes(rig: Rig) -> None:
    sensor = rig.sensor()
    with opened(sensor):
        rig.mood("segv")
        with pytest.raises(DriverError) as error:
            until(sensor, lambda _: False)
        assert "disabled: 3 crashes within 10 min; the last: it crashed (SIGSEGV)" in str(error.value)
        sensor.close()
        with pytest.raises(DriverError, match="disabled: 3 crashes"):
            sensor.open()
        assert sensor._supervisor.process is None
        rig.mood("sum")
        rig.write(run="sum")
        sensor.open()
        assert values(sensor)


def test_a_disabled_model_is_tried_again_after_a_pause(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "PAUSE_S", 0.0)
    rig.write(load="segv")
    sensor = rig.sensor()
    for _ in range(2):
        with pytest.raises(DriverError, match="SIGSEGV"):
            sensor.open()


def test_what_comes_late_is_a_fault_and_is_dropped(rig: Rig) -> None:
    with opened(rig.sensor(deadline_ms=50)) as sensor:
        first = pid(sensor)
        rig.mood("doze")
        begun_s = time.monotonic()
        assert "no answer within 50 ms" in reason(list(sensor.read()))
        assert time.monotonic() - begun_s < 0.25, "it waited for the model, which takes 0.3 s"
        rig.mood("sum")
        rig.bus.values[INPUTS[0]] = 0.0
        assert "still at an inference begun" in reason(list(sensor.read()))
        time.sleep(0.5)
        for _ in range(2 * WINDOW):
            read = sensor.read()
            time.sleep(0.02)
        # The late answer was 4 * 260; none of the window's samples is that of then any more.
        assert read[0] == pytest.approx(WINDOW * 60)
        assert pid(sensor) == first and not kinds(sensor)


def test_one_that_is_always_late_is_disabled(rig: Rig) -> None:
    with opened(rig.sensor(deadline_ms=5)) as sensor:
        rig.mood("doze")
        with pytest.raises(DriverError, match="disabled: more than half of its last 20 answers failed"):
            until(sensor, lambda _: False)


@pytest.mark.parametrize("deed", ["sleep", "hold"])
def test_one_that_hangs_is_ended(rig: Rig, monkeypatch: pytest.MonkeyPatch, deed: str) -> None:
    monkeypatch.setattr(supervisor, "_HUNG_S", 0.2)
    monkeypatch.setattr(supervisor, "_HUNG_DEADLINES", 1)
    with opened(rig.sensor(deadline_ms=20)) as sensor:
        first = pid(sensor)
        rig.mood(deed)
        until(sensor, lambda read: "was ended" in reason(read) if isinstance(read[0], Fault) else False)
        assert not alive(first)
        rig.mood("sum")
        assert values(sensor)


def test_one_that_eats_memory_gets_no_more_than_its_share(rig: Rig) -> None:
    with opened(rig.sensor(memory_mb=192, deadline_ms=2000)) as sensor:
        rig.mood("eat")
        assert "not enough memory" in reason(until(sensor, lambda read: isinstance(read[0], Fault)))
        rig.mood("sum")
        assert values(sensor)


@pytest.mark.parametrize(("deed", "words"), [("nan", "gave nan"), ("inf", "gave inf")])
def test_what_is_no_number_is_a_fault_of_its_output_only(rig: Rig, deed: str, words: str) -> None:
    outputs = [
        {"channel": "all", "quantity": "power"},
        {"channel": "last", "quantity": "power", "tensor": "last"},
    ]
    with opened(rig.sensor(outputs=outputs)) as sensor:
        rig.mood(deed)
        read = until(sensor, lambda read: isinstance(read[0], Fault))
    assert words in reason(read)
    assert read[1] == pytest.approx(200.0)


def test_an_input_that_fails_is_named_and_the_window_heals(rig: Rig) -> None:
    with opened(rig.sensor(gap_s=0.0, step_s=0.05)) as sensor:
        rig.bus.values[INPUTS[1]] = Fault(f"{INPUTS[1]} was last read 9.0 s ago")
        assert reason(list(sensor.read())) == f"{INPUTS[1]} was last read 9.0 s ago"
        time.sleep(0.3)
        rig.bus.values[INPUTS[1]] = 60.0
        assert "of the window's 4 samples are missing" in reason(list(sensor.read()))
        assert values(sensor)


def test_a_channel_that_goes_and_comes_is_followed(rig: Rig) -> None:
    with opened(rig.sensor()) as sensor:
        del rig.bus.values[INPUTS[0]]
        rig.bus.version += 1
        assert "gpu/power/board is not there now" in reason(list(sensor.read()))
        rig.bus.values[INPUTS[0]] = 100.0
        rig.bus.version += 1
        values(sensor)


def test_it_is_as_old_as_its_oldest_input(rig: Rig) -> None:
    rig.bus.age_s = 2.5
    with opened(rig.sensor()) as sensor:
        values(sensor)
        assert sensor.age_s == 2.5


def test_a_file_that_is_replaced_is_loaded(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "LOOK_S", 0.0)
    with opened(rig.sensor()) as sensor:
        first = pid(sensor)
        rig.write(run="other")
        sensor.read()
        assert kinds(sensor) == ["model-changed"]
        values(sensor)
        assert pid(sensor) != first
        rig.file.unlink()
        assert values(sensor), "one that is loaded needs its file no more"


def test_its_process_is_behind_all_others_and_the_first_to_go(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROKER_PASSWORD", "SECRET")
    with opened(rig.sensor()) as sensor:
        child = pid(sensor)
        assert os.getpriority(os.PRIO_PROCESS, child) == min(19, os.getpriority(os.PRIO_PROCESS, 0) + 5)
        about = Path(f"/proc/{child}")
        assert (about / "oom_score_adj").read_text().strip() == "1000"
        assert "SECRET" not in (about / "environ").read_text()
        status = dict(line.split(":\t") for line in (about / "status").read_text().splitlines())
        assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0
        assert status["NoNewPrivs"] == "1"


def test_it_ends_with_the_driver(rig: Rig) -> None:
    with opened(rig.sensor()) as sensor:
        child = pid(sensor)
    assert not alive(child)


_HOLDER = """
import sys, time
from pathlib import Path
from tests.integration.model.bus import Rig, values
rig = Rig(Path(sys.argv[1]))
sensor = rig.sensor()
sensor.open()
values(sensor)
rig.mood(sys.argv[2])
sensor.read()
print(sensor._supervisor.process.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("deed", ["sum", "sleep", "hold"])
def test_it_ends_with_the_agent_however_that_ends(rig: Rig, deed: str) -> None:
    command = [sys.executable, "-c", _HOLDER, str(rig.file.parent), deed]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment(), text=True) as agent:
        assert agent.stdout
        child = int(agent.stdout.readline())
        assert alive(child)
        agent.send_signal(signal.SIGKILL)
    wait_until(lambda: not alive(child), "the model's process has ended", 5.0)


def test_nothing_stays_open(rig: Rig) -> None:
    gc.collect()
    before = len([*Path("/proc/self/fd").iterdir()])
    for _ in range(3):
        with opened(rig.sensor()):
            pass
    assert len([*Path("/proc/self/fd").iterdir()]) == before
