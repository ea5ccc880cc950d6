"""Models in a running agent: their outputs are channels, and their failures are nobody else's."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from edgeagent_sdk.names import Identity
from tests.integration.cli import edgeagent
from tests.integration.machine import Machine
from tests.integration.model.bus import ROGUE, alive
from tests.modelfiles import Linear, onnx_linear
from tests.responder import Responder, responder
from tests.services import Service, mosquitto, wait_until

#: At 10 Hz; a model that held up others would hold them up for its deadline at each of their readings.
_HOLE_S = 1.0

_MODEL = """
[[device]]
name = "forecast"
driver = "model"
file = "/heat.onnx"
inputs = ["chip0/temperature/temp1", "chip0/temperature/temp2"]
window = 8
step_s = 0.1
gap_s = 5
deadline_ms = {deadline_ms}
interval_s = 0.1

[[device.outputs]]
channel = "soon"
quantity = "temperature"
scale = {scale}
"""

_SECOND = """
[[device.outputs]]
channel = "heat"
quantity = "power"
unit = "kW"
index = 1
"""

#: Twice the first channel's newest value, and the mean of the second.
_WEIGHTS = np.zeros((2, 16), dtype=np.float32)
_WEIGHTS[0, 14] = 2.0
_WEIGHTS[1, 1::2] = 1 / 8
MODEL = Linear(_WEIGHTS, np.array([0.0, 0.5], dtype=np.float32))


class _Machine(Machine):
    """With a model."""

    deadline_ms = 2000  # this machine may be busy
    scale = 1.0
    more = _SECOND

    @property
    def file(self) -> Path:
        return self.root / "heat.onnx"

    def configure(self) -> None:
        super().configure()
        with self.config.open("a") as file:
            file.write(_MODEL.format(deadline_ms=self.deadline_ms, scale=self.scale) + self.more)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Service]:
    with mosquitto(tmp_path, persistence=False) as service:
        yield service


@pytest.fixture
def machine(tmp_path: Path, broker: Service) -> _Machine:
    made = _Machine(tmp_path, broker.url)
    onnx_linear(made.file, MODEL, channels=2)
    return made


def values(taken: Responder, device: str, channel: str) -> list[float]:
    return [r.value for r in list(taken.readings) if r.device == device and r.channel == channel]


def models(agent: Service) -> list[int]:
    """The processes of the agent's models."""
    children = Path(f"/proc/{agent.pid}/task").glob("*/children")
    return [int(pid) for file in children for pid in file.read_text().split() if alive(int(pid))]


def libraries(pid: int) -> set[str]:
    """Which of the heavy packages a process has mapped."""
    maps = Path(f"/proc/{pid}/maps").read_text()
    return {name for name in ("numpy", "onnxruntime") if f"/{name}/" in maps}


def test_outputs_are_channels(machine: _Machine, broker: Service) -> None:
    with responder(broker.url) as taken, machine.agent() as agent:
        wait_until(lambda: len(values(taken, "forecast", "heat")) > 5, "outputs")
        [model] = models(agent)
        assert libraries(agent.pid) == set(), "a model's packages are in the agent itself"
        assert libraries(model) == {"numpy", "onnxruntime"}
    assert values(taken, "forecast", "soon")[-1] == pytest.approx(2 * 40.007, rel=1e-5)
    assert values(taken, "forecast", "heat")[-1] == pytest.approx(1e3 * (40.014 + 0.5), rel=1e-5)
    assert max(values(taken, "forecast", "inference")) < 2
    described = {
        c.channel: c for c in taken.describes[Identity("lab", "n1")].channels if c.device == "forecast"
    }
    assert (described["heat"].unit, described["inference"].unit) == ("W", "s")


@pytest.mark.parametrize("deed", ["abort", "hold", "eat"])
def test_a_model_that_misbehaves_holds_up_nobody(machine: _Machine, broker: Service, deed: str) -> None:
    machine.deadline_ms, machine.scale, machine.more = 100, 0.1, ""
    machine.file.write_text('{"shape": [1, 8, 2]}')
    with responder(broker.url) as taken, machine.agent(PYTHONPATH=str(ROGUE)) as agent:
        wait_until(lambda: len(values(taken, "forecast", "soon")) > 2, "outputs")
        taken.readings.clear()
        machine.file.with_suffix(".mood").write_text(deed)
        wait_until(lambda: "forecast: /heat.onnx: disabled" in machine.log(), "it is disabled")
        wait_until(lambda: not models(agent), "its process is gone")
        count = len(taken.readings)
        wait_until(lambda: len(taken.readings) > count + 10, "other readings")
    stamps = sorted({r.time_ns / 1e9 for r in list(taken.readings) if r.device == "chip0"})
    assert max(b - a for a, b in pairwise(stamps)) < _HOLE_S


def test_a_model_that_comes_later_is_taken_in(machine: _Machine, broker: Service) -> None:
    content = machine.file.read_bytes()
    machine.file.unlink()
    with responder(broker.url) as taken, machine.agent():
        wait_until(lambda: f"{machine.file}: no such file" in machine.log(), "a word of it")
        wait_until(lambda: len(values(taken, "chip0", "temp1")) > 5, "other readings")
        machine.file.write_bytes(content)
        wait_until(lambda: len(values(taken, "forecast", "soon")) > 2, "outputs")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_models_end_with_the_agent(machine: _Machine, number: signal.Signals) -> None:
    with machine.agent() as agent:
        wait_until(lambda: len(models(agent)) == 1, "a model's process")
        [model] = models(agent)
        os.kill(agent.pid, number)
        wait_until(lambda: not alive(model), "it has ended")


def test_an_agent_without_models_takes_none_of_their_packages(tmp_path: Path, broker: Service) -> None:
    machine = Machine(tmp_path, broker.url)
    with responder(broker.url) as taken, machine.agent() as agent:
        wait_until(lambda: len(taken.readings) > 2, "readings")
        assert libraries(agent.pid) == set() and not models(agent)


def test_check_loads_the_model_and_tells_the_line(machine: _Machine) -> None:
    machine.configure()
    assert edgeagent("check", machine.config).code == 0
    text = machine.config.read_text()
    machine.config.write_text(text.replace("window = 8", "window = 9").replace('"chip0/t', '"chip9/t', 1))
    line = text.splitlines().index('file = "/heat.onnx"') + 1
    result = edgeagent("check", machine.config)
    assert result.code == 1
    assert f"{machine.config}:{line}: device[1].file: forecast: it takes (1, 8, 2)" in result.err
    assert (
        f"{machine.config}:{line + 1}: device[1].inputs: forecast: chip9/temperature/temp1: there is no"
        in (result.err)
    )


_BUILT_IN = """
[[device]]
name = "soon"
driver = "model"
builtin = "forecast"
inputs = ["chip0/temperature/temp1"]
step_s = 0.1
deadline_ms = 2000
interval_s = 0.1
options = { lags = 2, every = 8, ahead_s = [0.5] }
"""


def test_a_built_in_model_knows_its_channels_and_keeps_what_it_learns(
    tmp_path: Path, broker: Service
) -> None:
    class Learning(Machine):
        def configure(self) -> None:
            super().configure()
            with self.config.open("a") as file:
                file.write(_BUILT_IN)

    machine = Learning(tmp_path, broker.url)
    with responder(broker.url) as taken, machine.agent() as agent:
        wait_until(lambda: len(values(taken, "soon", "chip0.temp1.0.5s.high")) > 2, "a forecast", 60.0)
        assert values(taken, "soon", "chip0.temp1.0.5s")[-1] == pytest.approx(40.007, abs=0.1)
        [model] = models(agent)
        for pid in (model, agent.pid):  # as systemd does it
            os.kill(pid, signal.SIGTERM)
        wait_until(lambda: bool([*(machine.home / "state").glob("model-*.npz")]), "what it has learned")
