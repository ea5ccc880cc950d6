"""The twin's meter as masters see it: pymodbus, and mbpoll as one that knows nothing of us."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from pymodbus.client import ModbusTcpClient

from edgeagent_hil.exposed import Runner
from edgeagent_hil.exposed.meter import Meter
from edgeagent_hil.exposed.sunspec import BASE, POINTS, POWER_FAILURE, UNDER_VOLTAGE
from edgeagent_hil.twin import design, kinds
from edgeagent_hil.twin.workload import Workload
from edgeagent_sdk.errors import EdgeError

_MODEL = BASE + 70


class _Master:
    """A SunSpec master: finds the meter's model by walking the chain, and scales its points."""

    def __init__(self, port: int) -> None:
        self.client = ModbusTcpClient("127.0.0.1", port=port)
        assert self.client.connect()  # type: ignore[no-untyped-call]

    def read(self, address: int, count: int) -> list[int]:
        """Holding registers."""
        answer = self.client.read_holding_registers(address, count=count)
        assert not answer.isError(), answer
        return list(answer.registers)

    def models(self) -> dict[int, tuple[int, int]]:
        """Number → address of its first point and length."""
        assert bytes(b for word in self.read(BASE, 2) for b in divmod(word, 256)) == b"SunS"
        found, at = {}, BASE + 2
        while (head := self.read(at, 2))[0] != 0xFFFF:
            found[head[0]] = at + 2, head[1]
            at += 2 + head[1]
        return found

    def points(self) -> dict[str, float]:
        """The values of model 203 that are implemented, scaled."""
        first, length = self.models()[203]
        words, raw, at = self.read(first, length), {}, 0
        for point in POINTS:
            word = words[at]
            raw[point.name] = word << 16 | words[at + 1] if point.size == 2 else word - (word >> 15 << 16)
            at += point.size
        assert at == length
        values: dict[str, float] = {}
        waiting: list[str] = []  # a scale factor stands behind the points that it scales
        for name, count in raw.items():
            if not name.endswith("_SF"):
                waiting.append(name)
                continue
            values |= {held: raw[held] * 10.0**count for held in waiting if raw[held] != -0x8000}
            waiting.clear()
        return values | {"Evt": float(raw["Evt"])}

    def close(self) -> None:
        """Hang up."""
        self.client.close()  # type: ignore[no-untyped-call]


@pytest.fixture
def runner() -> Iterator[Runner]:
    site = design.site([kinds.load("v100x4")], [20], seed=3)
    with Meter(site) as meter:
        yield Runner(site, Workload(site.servers.shape, 1), [meter], speed=0.0)


@pytest.fixture
def master(runner: Runner) -> Iterator[_Master]:
    client = _Master(_meter(runner).port)
    yield client
    client.close()


def _meter(runner: Runner) -> Meter:
    (meter,) = runner._devices
    assert isinstance(meter, Meter)
    return meter


def test_the_chain_of_models_is_sunspecs(runner: Runner, master: _Master) -> None:
    assert master.models() == {1: (BASE + 4, 66), 203: (_MODEL + 2, 105)}
    names = [point.name for point in POINTS]
    # Offsets of points in the published model 203, counted from the model's number.
    published = {
        "A": 2,
        "PhV": 7,
        "Hz": 16,
        "W": 18,
        "VA": 23,
        "VAR": 28,
        "PF": 33,
        "TotWhImp": 46,
        "Evt": 105,
    }
    offsets = {name: 2 + sum(p.size for p in POINTS[: names.index(name)]) for name in published}
    assert offsets == published


def test_every_phase_shows_what_the_twin_does(runner: Runner, master: _Master) -> None:
    runner.run(120)
    read, outputs, state = master.points(), runner.outputs, runner.state
    for i, phase in enumerate("ABC"):
        assert read[f"PhVph{phase}"] == pytest.approx(outputs.grid_v[i], abs=0.06)
        assert read[f"Aph{phase}"] == pytest.approx(outputs.grid_current_a[i], abs=0.06)
        assert read[f"Wph{phase}"] == pytest.approx(outputs.grid_phase_w[i], abs=6)
        assert read[f"VAph{phase}"] == pytest.approx(outputs.grid_phase_va[i], abs=6)
        factor = 100 * outputs.grid_phase_w[i] / outputs.grid_phase_va[i]
        assert read[f"PFph{phase}"] == pytest.approx(factor, abs=0.006)
        assert read[f"TotWhImpPh{phase}"] == pytest.approx(state.grid_j[i] / 3600, abs=0.6)
        assert read[f"TotWhExpPh{phase}"] == 0
    assert read["W"] == pytest.approx(outputs.grid_w, abs=6)
    assert read["A"] == pytest.approx(outputs.grid_current_a.sum(), abs=0.06)
    assert read["PPV"] == pytest.approx(230 * np.sqrt(3), abs=0.06)
    assert read["Hz"] == 50.0
    assert read["Evt"] == 0
    assert "TotVAhImp" in read and read["TotVAhImp"] == 0  # not accumulated
    wh = read["TotWhImp"]
    runner.run(120)
    assert master.points()["TotWhImp"] - wh == pytest.approx(runner.outputs.grid_w / 30, rel=0.1)


@pytest.mark.parametrize(
    ("voltage_v", "event"),
    [(230.0, 0), (200.0, UNDER_VOLTAGE), (0.0, UNDER_VOLTAGE | POWER_FAILURE)],
)
def test_the_grids_state_is_an_event(runner: Runner, master: _Master, voltage_v: float, event: int) -> None:
    runner.inputs = replace(runner.inputs, grid_v=np.array([230.0, voltage_v, 230.0]), grid_hz=49.87)
    runner.run(5)
    read = master.points()
    assert int(read["Evt"]) == event
    assert read["PhVphB"] == pytest.approx(voltage_v, abs=0.06)
    assert read["Hz"] == pytest.approx(49.87)


@pytest.mark.parametrize(("address", "count"), [(BASE - 1, 1), (BASE + 178, 5), (0, 1)])
def test_what_is_not_there_is_an_illegal_address(master: _Master, address: int, count: int) -> None:
    client = master.client
    assert client.read_holding_registers(address, count=count).exception_code == 2
    assert client.write_register(_MODEL + 18, 1).isError()
    assert master.read(_MODEL, 2) == [203, 105]


def test_mbpoll_reads_the_same(runner: Runner, master: _Master) -> None:
    program = shutil.which("mbpoll")
    if program is None:
        pytest.skip("mbpoll is not installed")
    runner.run(60)
    port = _meter(runner).port
    address = str(_MODEL + 18)  # W
    said = subprocess.run(
        [program, "-m", "tcp", "-p", str(port), "-a", "1", "-0", "-r", address, "-c", "5", "-1", "127.0.0.1"],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    ).stdout
    words = [int(value) for value in re.findall(r"^\[\d+\]:\s+(-?\d+)", said, re.MULTILINE)]
    assert [word & 0xFFFF for word in words] == master.read(_MODEL + 18, 5)
    assert words[0] * 10.0 ** (words[4] - (words[4] >> 15 << 16)) == pytest.approx(
        runner.outputs.grid_w, abs=6
    )


def test_a_port_that_is_taken_is_told(runner: Runner) -> None:
    with pytest.raises(EdgeError, match="cannot listen"), Meter(runner.site, port=_meter(runner).port):
        pass
