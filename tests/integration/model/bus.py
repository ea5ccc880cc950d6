"""The node's other channels, made up, and a model on them whose runtime is `rogue`."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from edgeagent.drivers.model.options import ModelOptions
from edgeagent.drivers.model.sensor import ModelSensor
from edgeagent_sdk.channel import Channel, Fault, Value
from edgeagent_sdk.driver import Host, Source

ROGUE = Path(__file__).parent / "rogue"

INPUTS = ["gpu/power/board", "gpu/temperature/die"]
WINDOW = 4


class Bus:
    """`Readings` of a table that tests write to."""

    def __init__(self) -> None:
        self.version = 1
        self.values: dict[str, Value] = {INPUTS[0]: 200.0, INPUTS[1]: 60.0}
        self.absent: list[str] = []
        self.age_s = 0.0

    def find(self, pattern: str) -> Sequence[Source]:
        """Those in the table."""
        return [
            Source(device, Channel(name, quantity), partial(self._latest, key))
            for key in self.values
            for device, quantity, name in [key.split("/")]
            if fnmatchcase(key, pattern)
        ]

    def waiting(self, pattern: str) -> Sequence[str]:
        """Those that are `absent`."""
        return [device for device in self.absent if device == pattern.partition("/")[0]]

    def _latest(self, key: str) -> tuple[Value, float]:
        return self.values.get(key, Fault(f"{key}: gone")), self.age_s


class Rig:
    """A model, its file, and the channels that it is given."""

    def __init__(self, home: Path, **script: Any) -> None:
        self.bus = Bus()
        self.file = home / "model.onnx"
        self.host = Host(state_dir=home, readings=self.bus)
        self.write(**script)

    def write(self, **script: Any) -> None:
        """A new file in the place of the old one, as a deployment does it."""
        new = self.file.with_suffix(".new")
        new.write_text(json.dumps({"shape": [1, WINDOW, len(INPUTS)], **script}))
        new.replace(self.file)

    def mood(self, deed: str) -> None:
        """From now on the model does this when it runs."""
        self.file.with_suffix(".mood").write_text(deed)

    def options(self, **keys: Any) -> dict[str, Any]:
        """As they would stand in agent.toml."""
        return {
            "file": str(self.file),
            "inputs": INPUTS,
            "window": WINDOW,
            "step_s": 0.02,
            "gap_s": 60.0,
            "outputs": [{"channel": "all", "quantity": "power"}],
            "deadline_ms": 100,
            **keys,
        }

    def sensor(self, **keys: Any) -> ModelSensor:
        """The driver, not yet open."""
        return ModelSensor(self.host, msgspec.convert(self.options(**keys), ModelOptions))


def values(sensor: ModelSensor) -> list[Value]:
    """One reading, once the window is full and the model is there."""
    return until(sensor, lambda read: not isinstance(read[0], Fault))


def until(sensor: ModelSensor, holds: Callable[[list[Value]], bool], patience_s: float = 10.0) -> list[Value]:
    """Readings until one is as it should be."""
    deadline_s = time.monotonic() + patience_s
    while True:
        read = list(sensor.read())
        if holds(read):
            return read
        assert time.monotonic() < deadline_s, read
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether a process is there, and has not merely not been waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def environment() -> dict[str, str]:
    """Ours, with the rogue runtime in front of the real one."""
    return {**os.environ, "PYTHONPATH": str(ROGUE)}
