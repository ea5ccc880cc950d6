"""A model at 10 Hz: what it costs beside the agent that it runs with, and beside loops of one's own."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from edgeagent_hil.load.report import quantile
from tests.bench.machine import Meter
from tests.bench.table import Bench, Figure, at_most, row
from tests.bench.trees import hwmon_tree
from tests.modelfiles import onnx_layers
from tests.responder import responder
from tests.services import Service, mosquitto, spawn, wait_until

_WINDOW, _CHANNELS = 32, 8
_LAYERS = (_WINDOW * _CHANNELS, 512, 512, 4)
_HZ = 10
_SETTLE_S = 3.0

_LOOP = "loop in Python around onnxruntime, set as ours"
_DEFAULTS = "the same loop, onnxruntime's defaults"

_CONFIG = """
site = "bench"
node = "n1"
state_dir = "{home}/state"
host_root = "{root}"
[broker]
url = "{url}"
[agent]
interval_s = 0
[[device]]
name = "chip0"
driver = "hwmon"
chip = "chip0"
interval_s = 0.1
"""

_MODEL = """
[[device]]
name = "model"
driver = "model"
file = "/model.onnx"
inputs = {inputs}
window = {window}
step_s = 0.1
gap_s = 5
interval_s = 0.1
scaling = {{ temperature = [40, 10] }}
outputs = [{{ channel = "soon", quantity = "temperature", scale = 0.01, offset = 40 }}]
"""

#: What people write who have no agent: `sys.argv[1]` is the model, `sys.argv[2]` whether to set it as we do.
_SCRIPT = """
import sys, time
import numpy as np
import onnxruntime as ort
options = ort.SessionOptions()
if sys.argv[2] == "ours":
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_cpu_mem_arena = False
session = ort.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
[given] = session.get_inputs()
window = np.zeros(given.shape, np.float32)
due_s = time.monotonic()
while True:
    session.run(None, {given.name: window})
    due_s += 0.1
    time.sleep(max(0.0, due_s - time.monotonic()))
"""


class _Used(NamedTuple):
    cores: float
    resident_bytes: int
    share_bytes: int  # each page counted by how many share it (PSS)


@row
def inference_10_hz(bench: Bench) -> Iterator[Figure]:
    """A model of 0.4 million weights ten times a second, in the agent and in loops of one's own."""
    seconds = 30 * bench.seconds
    root = bench.directory / "root"
    hwmon_tree(root, 1, _CHANNELS)
    onnx_layers(root / "model.onnx", _LAYERS, window=_WINDOW)
    with mosquitto(bench.directory) as broker:
        [without] = _agent(bench, root, broker, seconds, with_model=False)
        with responder(broker.url) as taken:
            agent, model = _agent(bench, root, broker, seconds, with_model=True)
    latencies_s = [r.value for r in taken.readings if r.channel == "inference"]
    given = sum(r.channel == "soon" for r in taken.readings)
    if given < 0.9 * _HZ * seconds:
        raise RuntimeError(f"the model gave {given} values in {seconds:g} s; not comparable")
    loops = {
        name: _loop(bench, root, seconds, setting) for name, setting in ((_LOOP, "ours"), (_DEFAULTS, ""))
    }
    name = f"inference at {_HZ} Hz, {_WINDOW} × {_CHANNELS} values"
    yield Figure(
        f"{name}: CPU that it costs, with its process and all between",
        100 * (agent.cores + model.cores - without.cores),
        "% of a core",
        at_most(1.5),
        {who: 100 * used.cores for who, used in loops.items()},
        f"of it the model's process {100 * model.cores:.2f} %; the agent alone {100 * without.cores:.2f} %; "
        "the loops sample and store nothing",
    )
    yield Figure(
        f"{name}: resident memory, agent and model together",
        (agent.resident_bytes + model.resident_bytes) / 1e6,
        "MB",
        at_most(96),
        {who: used.resident_bytes / 1e6 for who, used in loops.items()},
        f"agent {agent.resident_bytes / 1e6:.1f} MB, its process {model.resident_bytes / 1e6:.1f} MB; "
        "pages that they share count twice: "
        f"counted once (PSS) it is {(agent.share_bytes + model.share_bytes) / 1e6:.1f} MB",
    )
    yield Figure(
        f"{name}: from the request to the answer, 99 of 100",
        1e3 * quantile(latencies_s, 0.99),
        "ms",
        note=f"median {1e3 * quantile(latencies_s, 0.5):.2f} ms, by a socket to a process of lower priority",
    )


def _agent(bench: Bench, root: Path, broker: Service, seconds: float, *, with_model: bool) -> Iterator[_Used]:
    """What the agent uses, then what its model's process does."""
    home = bench.directory / f"agent-{with_model}"
    home.mkdir()
    config = home / "agent.toml"
    text = _CONFIG.format(home=home, root=root, url=broker.url)
    if with_model:
        inputs = [f"chip0/temperature/temp{i + 1}" for i in range(_CHANNELS)]
        text += _MODEL.format(inputs=inputs, window=_WINDOW)
    config.write_text(text)
    with spawn(
        [sys.executable, "-m", "edgeagent.daemon", "--config", str(config)], home, name="agent"
    ) as agent:
        if with_model:
            wait_until(lambda: bool(_children(agent.pid)), "a model's process")
        time.sleep(_SETTLE_S + _WINDOW / _HZ)
        meters = [Meter(pid) for pid in (agent.pid, *_children(agent.pid))]
        time.sleep(seconds)
        for meter in meters:
            used = meter.read()
            yield _Used(used.cores, used.resident_bytes, _share_bytes(meter.pid))


def _children(pid: int) -> list[int]:
    files = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for file in files for child in file.read_text().split()]


def _share_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))


def _loop(bench: Bench, root: Path, seconds: float, setting: str) -> _Used:
    with _running(bench, [sys.executable, "-c", _SCRIPT, str(root / "model.onnx"), setting], setting) as loop:
        time.sleep(_SETTLE_S)
        meter = Meter(loop.pid)
        time.sleep(seconds)
        used = meter.read()
        return _Used(used.cores, used.resident_bytes, _share_bytes(loop.pid))


@contextmanager
def _running(bench: Bench, command: list[str], setting: str) -> Iterator[Service]:
    home = bench.directory / f"loop-{setting or 'defaults'}"
    home.mkdir()
    with spawn(command, home, name="loop") as service:
        yield service
