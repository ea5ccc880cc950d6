"""The driver keeps the rules of every driver: its device is the channels, its bus the process."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeagent.drivers.model.sensor import ModelSensor
from edgeagent_sdk.conformance import Bench, DriverConformance

from .bus import Rig, alive


def workers() -> list[int]:
    """The processes of models that are ours."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            ours = (
                parent == os.getpid() and b"edgeagent.drivers.model.worker" in (path / "cmdline").read_bytes()
            )
        except OSError:
            continue
        if ours and alive(int(path.name)):
            found.append(int(path.name))
    return found


class TestModel(DriverConformance):
    driver = ModelSensor

    @pytest.fixture
    def bench(self, rig: Rig) -> Iterator[Bench]:
        rig.write(shape=[1, 1, 2])
        there = dict(rig.bus.values)

        def plug(values: dict[str, float]) -> None:
            rig.bus.values = {**values}
            rig.bus.version += 1

        def tell(number: int) -> None:
            for pid in workers():
                os.kill(pid, number)

        yield Bench(
            rig.host,
            rig.options(window=1, gap_s=0.0),
            unplug=lambda: plug({}),
            replug=lambda: plug(there),  # type: ignore[arg-type]
            hang=lambda: tell(signal.SIGSTOP),
            resume=lambda: tell(signal.SIGCONT),
            patience_s=20.0,
        )
        assert not workers(), "a model's process was left behind"
