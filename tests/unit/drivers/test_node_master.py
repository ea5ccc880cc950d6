"""The master on a line with faults, and against pymodbus' server at the other end."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pymodbus import FramerType, ModbusDeviceIdentification
from pymodbus.datastore import ModbusDeviceContext, ModbusSequentialDataBlock, ModbusServerContext
from pymodbus.server import ModbusSerialServer

from edgeagent.drivers.node.node import Node
from edgeagent.modbus import pdu, rtu
from edgeagent.modbus.bus import Serial, join
from edgeagent.modbus.master import Master, Refused
from edgeagent.modbus.serialport import SerialPort
from edgeagent_hil.rig.line import Line
from edgeagent_sdk.errors import DriverError
from edgeagent_sdk.nodemap import CONFIG, DIAGNOSTICS, IDENTITY, KEY_CONFIG, SETPOINTS, TELEMETRY
from tests.modelnode import ModelNode
from tests.serialline import SerialLine, pty_pair, serial_line
from tests.services import wait_until


@contextmanager
def node_on(line: SerialLine, *, timeout_s: float = 0.15, slave_id: int = 1) -> Iterator[Node]:
    node = Node.at(str(line.path), 115_200, slave_id, timeout_s)
    try:
        yield node
    finally:
        node.close()
        node.close()


@pytest.fixture
def model() -> ModelNode:
    return ModelNode()


@pytest.fixture
def line(tmp_path: Path, model: ModelNode) -> Iterator[SerialLine]:
    with serial_line(tmp_path / "tty", model.answer) as made:
        yield made


def test_every_block_can_be_read(line: SerialLine) -> None:
    with node_on(line) as node:
        assert node.identify()["serial_number"] == 7
        for block in (IDENTITY, TELEMETRY, DIAGNOSTICS, SETPOINTS, CONFIG):
            assert node.read(block).keys() == block.offsets.keys()


def test_settings_need_their_key_and_keep_their_bounds(line: SerialLine) -> None:
    with node_on(line) as node:
        with pytest.raises(Refused):
            node.write(CONFIG, {"safe_relay1": 0})
        node.unlock(KEY_CONFIG)
        node.write(CONFIG, {"safe_relay1": 0, "safe_relay2": 1})
        settings = node.read(CONFIG)
        assert (settings["safe_relay1"], settings["safe_relay2"]) == (0, 1)
        with pytest.raises(DriverError, match="3 is outside 0 to 2"):
            node.write(CONFIG, {"safe_relay1": 3})
        with pytest.raises(DriverError, match="did you mean 'safe_relay2'"):
            node.write(CONFIG, {"safe_relay22": 1})


def flip(nth: int, bit: int) -> Callable[[bytes], bytes]:
    """A line that damages one bit of every nth piece, and cuts nothing."""
    count = 0

    def change(data: bytes) -> bytes:
        nonlocal count
        count += 1
        if count % nth:
            return data
        damaged = bytearray(data)
        damaged[bit // 8 % len(data)] ^= 1 << bit % 8
        return bytes(damaged)

    return change


@pytest.mark.parametrize("bit", [0, 7, 9, 15, 17, 24, 40, 500, 1063])
def test_a_wrong_bit_in_every_other_answer_costs_a_retry_and_no_value(
    line: SerialLine, model: ModelNode, bit: int
) -> None:
    line.to_master = flip(2, bit)
    with node_on(line) as node:
        for _ in range(4):
            telemetry = node.read(TELEMETRY)
            assert telemetry["temperature_board"] == 1000
            assert telemetry["energy_in"] == model.energy_mj
        assert node.master.tally.damaged >= 3


def test_a_request_that_does_not_arrive_is_sent_again(line: SerialLine) -> None:
    line.to_slave = flip(2, 20)
    with node_on(line) as node:
        for _ in range(3):
            node.read(TELEMETRY)
        assert node.master.tally.timeouts >= 2


def test_an_answer_in_small_pieces_is_put_together(line: SerialLine, model: ModelNode) -> None:
    line.pieces = 5
    with node_on(line) as node:
        assert node.read(TELEMETRY)["temperature_board"] == 1000
        assert node.master.tally.damaged == 0


def test_a_late_answer_does_not_pass_for_anothers(line: SerialLine, model: ModelNode) -> None:
    """Answers come one request late, as from a device that is slower than the timeout."""
    waiting: list[bytes] = []

    def late(answer: bytes) -> bytes:
        waiting.append(answer)
        return waiting.pop(0) if len(waiting) > 1 else b""

    with node_on(line) as node:
        node.identify()
        settings = node.read(CONFIG)
        line.to_master = late
        for block in (TELEMETRY, IDENTITY, DIAGNOSTICS, TELEMETRY):
            try:
                values = node.read(block)
            except DriverError:
                continue
            assert values["block"] == block.number
        try:
            assert node.read(CONFIG) == settings
        except DriverError as error:
            assert "does not answer" in str(error)


def test_a_stale_answer_to_the_same_question_is_known_by_its_time(line: SerialLine) -> None:
    with node_on(line) as node:
        node.identify()
        request = rtu.frame(1, pdu.read(pdu.READ_INPUT, TELEMETRY.address, TELEMETRY.words))
        old = line.answer(request)
        true_answer, stale = line.answer, [old]
        time.sleep(0.2)
        line.answer = lambda asked: stale.pop() if stale else true_answer(asked)
        before = node.master.tally.requests
        telemetry = node.read(TELEMETRY)
        assert node.master.tally.requests == before + 3, "the line is heard out in between"
        assert telemetry["uptime_ms"] >= 200


def test_nothing_is_taken_that_was_made_before_it_was_asked_for(
    line: SerialLine, model: ModelNode, tmp_path: Path
) -> None:
    """On a line on which each answer takes longer than it is waited for; the next one is there then."""
    timeout_s = 0.06
    with Line(line.path, tmp_path / "slow") as slow:
        for again in (False, True):  # a node that we know, and one that is opened anew for each try
            node = Node.at(str(tmp_path / "slow"), 115_200, 1, timeout_s)
            wait_until(lambda node=node: _read(node) is not None, "it answers in time")  # type: ignore[misc]
            for delay in (1.05, 1.5, 2.1, 3.2, 4.0):
                with slow.slow(delay * timeout_s):
                    for _ in range(2):
                        if again:
                            node.close()
                            node = Node.at(str(tmp_path / "slow"), 115_200, 1, timeout_s)
                        asked_ms = model.uptime_ms
                        values = _read(node)
                        assert values is None or values["uptime_ms"] > asked_ms - 40
                wait_until(lambda node=node: _read(node) is not None, "it is quick again")  # type: ignore[misc]
                error_ns = node.clock.host_ns(model.uptime_ms) - time.monotonic_ns()
                assert abs(error_ns) < timeout_s * 1e9, "its clock is not learnt from late answers"
            node.close()


def _read(node: Node) -> dict[str, int] | None:
    try:
        return node.read(TELEMETRY)
    except DriverError:
        return None


def test_a_node_whose_clock_stood_still_is_believed_the_second_time(
    line: SerialLine, model: ModelNode
) -> None:
    with node_on(line) as node:
        node.read(TELEMETRY)
        model._begun_s += 0.5  # half a second that it did not live through
        time.sleep(0.6)
        for _ in range(3):
            telemetry = node.read(TELEMETRY)
        assert abs(node.clock.host_ns(telemetry["uptime_ms"]) - time.monotonic_ns()) < 0.1e9


def test_a_torn_snapshot_is_not_taken(line: SerialLine, model: ModelNode) -> None:
    def torn(answer: bytes) -> bytes:
        body = bytearray(answer[:-2])
        if len(body) > 100:
            body[3 + 14 : 3 + 22] = (2**60).to_bytes(8, "big")  # measured_ms
        return bytes(body) + rtu.crc(bytes(body))

    line.to_master = torn
    with node_on(line) as node, pytest.raises(DriverError, match="torn"):
        node.read(TELEMETRY)


@pytest.mark.parametrize(
    ("prepare", "why"),
    [
        (
            lambda model: model.values["config"].update(slave_id=9),
            "unit 1 does not answer: silence for 150 ms",
        ),
        (lambda model: model.values["identity"].update(magic=0), "is no sensor node: its identity begins"),
    ],
)
def test_who_is_no_node(
    line: SerialLine, model: ModelNode, prepare: Callable[[ModelNode], None], why: str
) -> None:
    prepare(model)
    with node_on(line) as node, pytest.raises(DriverError, match=why):
        node.identify()


def test_a_port_in_use_names_its_user(line: SerialLine, tmp_path: Path) -> None:
    ours = rf"tty: in use by \w+ \(pid {os.getpid()}\); stop that one"
    with node_on(line) as node:
        node.identify()
        with pytest.raises(DriverError, match=ours):
            SerialPort(str(line.path), 115_200)


@pytest.mark.parametrize(
    ("path", "why"),
    [("nowhere", "is not there; plug the adapter in"), ("file", "is no serial port")],
)
def test_what_is_no_port(tmp_path: Path, path: str, why: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DriverError, match=why):
        SerialPort(str(tmp_path / path), 115_200)


def test_an_unplugged_port_says_so_at_once_and_when_to_look_again(line: SerialLine) -> None:
    with node_on(line) as node:
        node.identify()
        line.unplug()
        begun = time.monotonic()
        with pytest.raises(DriverError, match="is not there") as caught:
            node.read(TELEMETRY)
        assert time.monotonic() - begun < 1.0
        assert caught.value.retry_s is not None and caught.value.retry_s <= 1.0


@contextmanager
def pymodbus_server(port: Path) -> Iterator[ModbusDeviceContext]:
    """pymodbus' own RTU server, in a thread."""
    identity = ModbusDeviceIdentification(  # type: ignore[no-untyped-call]
        info_name={"VendorName": "edgeagent", "ProductCode": "node", "MajorMinorRevision": "0.1.0"}
    )
    inputs, holdings = (
        ModbusSequentialDataBlock(1, list(range(first, first + 300)))  # type: ignore[no-untyped-call]
        for first in (9000, 0)
    )
    device = ModbusDeviceContext(ir=inputs, hr=holdings)
    loop = asyncio.new_event_loop()
    ready = threading.Event()

    async def serve() -> None:
        server = ModbusSerialServer(
            ModbusServerContext(devices={1: device}, single=False),
            framer=FramerType.RTU,
            identity=identity,
            port=str(port),
            baudrate=115_200,
        )
        await server.serve_forever(background=True)
        ready.set()
        while not ended.is_set():
            await asyncio.sleep(0.02)
        await server.shutdown()  # type: ignore[no-untyped-call]

    ended = threading.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield device
    finally:
        ended.set()
        thread.join(10)
        loop.close()


def test_pymodbus_server_understands_every_request(tmp_path: Path) -> None:
    with pty_pair(tmp_path / "slave", tmp_path / "master"), pymodbus_server(tmp_path / "slave"):
        master = Master(join(Serial(str(tmp_path / "master"), 115_200)), 1, 1.0)
        try:
            assert master.read(pdu.READ_INPUT, 5, 2, bytes) == bytes.fromhex("232d232e")
            assert master.read(pdu.READ_INPUT, 0, 125, len) == 250
            assert master.read(pdu.READ_HOLDING, 16, 3, bytes) == bytes.fromhex("001000110012")
            master.write(16, b"\xbe\xef")
            master.write(17, b"\x00\x01\xff\xff")
            assert master.read(pdu.READ_HOLDING, 16, 3, bytes) == bytes.fromhex("beef0001ffff")
            assert master.device_id() == {0: "edgeagent", 1: "node", 2: "0.1.0"}
            with pytest.raises(Refused, match="illegal data address") as caught:
                master.read(pdu.READ_HOLDING, 290, 20, bytes)
            assert caught.value.code == 2
        finally:
            master.close()
