"""Masters that share no line with us get exactly what our driver gets."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from edgeagent.drivers.node.node import Node
from edgeagent_hil.rig.drivers import NodeProtocol
from edgeagent_hil.rig.master import BAUD
from edgeagent_sdk.nodemap import (
    ACCESS,
    CALIBRATION,
    CHANNELS,
    CONFIG,
    DIAGNOSTICS,
    EVENT_LOG,
    IDENTITY,
    KEY_CONTROL,
    OUTPUTS,
    SETPOINTS,
    TELEMETRY,
    Block,
)
from hil.tests.oracles import Libmodbus, Mbpoll, Oracle, OracleError, Pymodbus
from hil.tests.registers import Registers
from tests.services import wait_until

#: What goes on while one reads.
COUNTS = {"sequence", "uptime_ms", "measured_ms", "energy_in", "frames", "loop_max_ms", "stack_free"}

Reader = Callable[[Block], dict[str, int]]

BLOCKS = (IDENTITY, TELEMETRY, DIAGNOSTICS, EVENT_LOG, ACCESS, SETPOINTS, CONFIG, CALIBRATION)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the program on libmodbus is compiled, once."""
    return tmp_path_factory.mktemp("libmodbus")


@pytest.fixture(params=["mbpoll", "libmodbus", "pymodbus"])
def oracle(request: pytest.FixtureRequest, node: NodeProtocol, workshop: Path) -> Oracle:
    """Each of them."""
    oracles: dict[str, Callable[[], Oracle]] = {
        "mbpoll": lambda: Mbpoll(node.port),
        "libmodbus": lambda: Libmodbus(node.port, workshop),
        "pymodbus": lambda: Pymodbus(node.port),
    }
    return oracles[request.param]()


@pytest.fixture
def ours(node: NodeProtocol) -> Reader:
    """How our driver reads a block."""
    return lambda block: _read(node.port, block)


def _read(port: Path, block: Block) -> dict[str, int]:
    """By a driver that holds the port no longer than it needs it."""
    driver = Node.at(str(port), BAUD, 1, 1.0)
    try:
        return driver.read(block)
    finally:
        driver.close()


def unpack(block: Block, words: list[int]) -> dict[str, int]:
    """The fields in an oracle's registers."""
    return block.unpack(struct.pack(f">{len(words)}H", *words))


@pytest.mark.parametrize("block", BLOCKS, ids=[block.name for block in BLOCKS])
def test_every_block(oracle: Oracle, ours: Reader, block: Block) -> None:
    """What stands still is equal; what counts lies between two readings of ours."""
    before = ours(block)
    theirs = unpack(block, oracle.read(block.space, block.address, block.words))
    after = ours(block)
    assert theirs.keys() == before.keys()
    for name, value in theirs.items():
        measured = block is TELEMETRY and name in {f"{c.quantity}_{c.name}" for c in CHANNELS}
        if name in COUNTS:
            assert min(before[name], after[name]) <= value <= max(before[name], after[name]), name
        elif not measured or before[name] == after[name]:
            assert value == before[name], name


def test_setpoints_by_one_and_by_many(oracle: Oracle, registers: Registers) -> None:
    oracle.write(ACCESS.at("access"), [0])
    assert registers.telemetry("unlocked") == 0
    oracle.write(ACCESS.at("access"), [KEY_CONTROL])
    assert registers.telemetry("unlocked") == 1
    oracle.write(SETPOINTS.at("fan1"), [4_321, 0, 60_000, 1_234, 0, 60_000])
    wait_until(lambda: registers.telemetry("output_fan1") == 4_321, "fan 1")
    assert registers.telemetry("output_fan2") == 1_234
    oracle.write(SETPOINTS.at("fan2"), [2_222])
    wait_until(lambda: registers.telemetry("output_fan2") == 2_222, "fan 2")
    words = oracle.read("holding", SETPOINTS.address, SETPOINTS.words)
    told = unpack(SETPOINTS, words)
    assert (told["fan1"], told["fan2"]) == (4_321, 2_222)
    assert 0 < told["fan1_lease_ms"] <= 60_000


#: What each calls an exception.
WORDS = {
    1: "Illegal function|exception_code=1",
    2: "Illegal data address|exception_code=2",
    3: "Illegal data value|exception_code=3",
}


@pytest.mark.parametrize(
    ("act", "exception"),
    [
        pytest.param(lambda o: o.read("input", TELEMETRY.address + TELEMETRY.words, 1), 2, id="no register"),
        pytest.param(lambda o: o.read("holding", 0x4000, 2), 2, id="no registers"),
        pytest.param(lambda o: o.write(SETPOINTS.at("relay1"), [2]), 3, id="no such state"),
        pytest.param(lambda o: o.write(SETPOINTS.at("fan1"), [10_001, 0, 1]), 3, id="no such duty"),
        pytest.param(lambda o: o.write(CONFIG.at("slave_id"), [2]), 1, id="locked"),
        pytest.param(lambda o: o.write(0x4000, [1]), 2, id="nothing to write"),
    ],
)
def test_exceptions(
    oracle: Oracle, registers: Registers, act: Callable[[Oracle], object], exception: int
) -> None:
    before = {output.name: registers.read(SETPOINTS)[output.name] for output in OUTPUTS}
    with pytest.raises(OracleError, match=WORDS[exception]):
        act(oracle)
    assert {output.name: registers.read(SETPOINTS)[output.name] for output in OUTPUTS} == before


def test_identification_by_pymodbus(node: NodeProtocol, ours: Reader) -> None:
    """The one of them that can ask by function 43."""
    objects = Pymodbus(node.port).identification()
    identity = ours(IDENTITY)
    version = ".".join(str(identity[f"version_{part}"]) for part in ("major", "minor", "patch"))
    assert objects[0] == b"edgeagent"
    assert objects[2].decode() == version
