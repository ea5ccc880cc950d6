"""A bad line between the node and our driver: it costs time, and never a wrong value."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import pytest

from edgeagent.drivers.node.node import Node
from edgeagent.modbus.serialport import SerialPort
from edgeagent_hil.rig.drivers import NodeProtocol
from edgeagent_hil.rig.line import Line
from edgeagent_hil.rig.master import BAUD
from edgeagent_sdk.errors import DriverError
from edgeagent_sdk.nodemap import CHANNELS, DIAGNOSTICS, OUTPUTS, SETPOINTS, TELEMETRY
from tests.services import wait_until

#: How long an answer may take.
ANSWER_S = 0.15

#: What stays as it is while nobody forces anything.
STILL = [f"{c.quantity}_{c.name}" for c in CHANNELS] + [f"output_{o.name}" for o in OUTPUTS] + ["valid"]

#: What never falls; before and after the bad line it is read right, and so bounds what is read meanwhile.
GROWING = ["sequence", "uptime_ms", "measured_ms", "energy_in"]


@pytest.fixture
def line(node: NodeProtocol, tmp_path: Path) -> Iterator[Line]:
    """The cable."""
    node.wait_ready()
    with Line(node.port, tmp_path / "ttyNODE", seed=20261125) as line:
        yield line


@pytest.fixture
def driver(line: Line) -> Iterator[Node]:
    """Our driver at its end: it knows the node's clock, and setpoints are unlocked."""
    driver = Node.at(str(line.port), BAUD, 1, ANSWER_S)
    wait_until(lambda: driver.read(TELEMETRY)["sequence"] > 2, "all is measured")
    driver.unlock()
    yield driver
    driver.close()


def test_wrong_bits_are_never_believed(line: Line, driver: Node) -> None:
    """One in five thousand bits, both ways: about every fourth exchange is damaged."""
    first = driver.read(TELEMETRY)
    blocks: list[dict[str, int]] = []
    lost = 0
    with line.bit_errors(2e-4):
        while len(blocks) + lost < 400:
            try:
                blocks.append(driver.read(TELEMETRY))
            except DriverError:
                lost += 1
    last = driver.read(TELEMETRY)
    for name in STILL:
        assert {block[name] for block in blocks} == {first[name]}, name
    for name in GROWING:
        seen = [block[name] for block in (first, *blocks, last)]
        assert seen == sorted(seen), name
        assert seen[0] < seen[-1], f"{name} stood still: nothing was proven"
    assert all(block["measured_ms"] <= block["uptime_ms"] for block in blocks)
    assert line.damaged_bits > 50, "nothing was proven"
    assert len(blocks) > lost
    assert driver.read(DIAGNOSTICS)["crc_errors"] > 0


def test_wrong_bits_set_no_output(line: Line, driver: Node) -> None:
    """What reaches an output is what was written, or what was there."""
    duties = range(1_000, 3_000, 50)
    with line.bit_errors(1e-3):
        for duty in cycle(duties):
            if line.damaged_bits > 20:
                break
            try:
                driver.write(SETPOINTS, {"fan1": duty, "fan1_lease_ms": 60_000})
            except DriverError:
                continue
    wait_until(lambda: driver.read(TELEMETRY)["output_fan1"] in duties, "a duty of ours")
    block = driver.read(TELEMETRY)
    assert (block["output_fan2"], block["output_relay1"]) == (10_000, 1)
    driver.write(SETPOINTS, {"fan1_lease_ms": 0})


def test_answers_that_come_too_late(line: Line, driver: Node) -> None:
    """Each is the answer to an earlier request: none is taken for that to the next."""
    with line.slow(4.5 * ANSWER_S), pytest.raises(DriverError, match="does not answer"):
        driver.read(TELEMETRY)
    wait_until(lambda: _reads(driver), "it answers in time again")
    assert driver.read(DIAGNOSTICS)["block"] == 0xB003
    assert driver.read(TELEMETRY)["block"] == 0xB002


def test_a_slow_node_within_its_time(line: Line) -> None:
    patient = Node.at(str(line.port), BAUD, 1, 5.0, retries=0)
    with line.slow(0.1):
        for _ in range(3):
            assert patient.read(TELEMETRY)["block"] == 0xB002
    patient.close()


def test_pulled_out_in_the_middle(line: Line, driver: Node) -> None:
    with line.unplugged():
        with pytest.raises(DriverError, match="is not there"):
            driver.read(TELEMETRY)
        with pytest.raises(DriverError, match="is not there"):
            SerialPort(str(line.port), BAUD)
    again = Node.at(str(line.port), BAUD, 1, ANSWER_S)
    assert again.read(TELEMETRY)["block"] == 0xB002
    again.close()


def _reads(driver: Node) -> bool:
    try:
        driver.read(TELEMETRY)
    except DriverError:
        return False
    return True
