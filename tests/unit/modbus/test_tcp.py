"""A master on TCP with peers that lie, tarry, hang up and send halves; nothing false is taken."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import pytest

from edgeagent.modbus import pdu, rtu
from edgeagent.modbus.bus import Tcp, join
from edgeagent.modbus.master import Master, Refused
from edgeagent_sdk.errors import DriverError

RIGHT = b"\x03\x02\x12\x34"
LATE = b"\x03\x02\xbb\xbb"

Script = Callable[[bytes], Sequence[bytes] | None]
"""What a peer answers to a request, in pieces that arrive apart; None hangs up."""


def mbap(request: bytes, answer: bytes, *, number: int = 0, protocol: int = 0, unit: int = 1) -> bytes:
    """An answer framed; `number` is added to the request's."""
    transaction = int.from_bytes(request[:2], "big") + number
    head = transaction.to_bytes(2, "big") + protocol.to_bytes(2, "big")
    return head + (len(answer) + 1).to_bytes(2, "big") + bytes([unit]) + answer


@contextmanager
def peer(script: Script) -> Iterator[int]:
    """A server with one request at a time; its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client, suppress(ConnectionError):
                while request := client.recv(512):
                    pieces = script(request)
                    if pieces is None:
                        break
                    for piece in pieces:
                        client.sendall(piece)
                        time.sleep(0.005)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        ended.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


@contextmanager
def master(port: int, *, rtu: bool = False, retries: int = 0) -> Iterator[Master]:
    """Of unit 1 at a port."""
    made = Master(join(Tcp("127.0.0.1", port, 1.0, rtu)), 1, 0.2, retries=retries)
    try:
        yield made
    finally:
        made.close()


@pytest.mark.parametrize(
    ("script", "why"),
    [
        pytest.param(lambda r: [mbap(r, RIGHT)[:10]], "cut off after 3 bytes", id="half a frame"),
        pytest.param(lambda r: [mbap(r, RIGHT)[:5]], "cut off after 5 bytes", id="half a head"),
        pytest.param(lambda r: [], "silence for 200 ms", id="nothing"),
        pytest.param(lambda r: None, "the connection was closed", id="hung up"),
        pytest.param(lambda r: [mbap(r, RIGHT, unit=2)], "unit 2, not 1", id="another unit"),
        pytest.param(lambda r: [mbap(r, RIGHT, protocol=7)], "no Modbus: protocol 7", id="no Modbus"),
        pytest.param(lambda r: [b"HTTP/1.1 400 Bad Request\r\n\r\n"], "no Modbus", id="a web server"),
        pytest.param(lambda r: [mbap(r, b"\x04\x02\x12\x34")], "function 4, not 3", id="another function"),
        pytest.param(lambda r: [mbap(r, b"\x03\x04\x12\x34\x56\x78")], "not a whole answer", id="too long"),
        pytest.param(lambda r: [mbap(r, b"\x03\x01\x12\x34")], "1 bytes announced", id="a wrong count"),
        pytest.param(lambda r: [mbap(r, RIGHT, number=-1)], "silence", id="an earlier request's"),
    ],
)
def test_what_is_no_answer(script: Script, why: str) -> None:
    with peer(script) as port, master(port) as ours, pytest.raises(DriverError, match=why):
        ours.read(pdu.READ_HOLDING, 0, 1, bytes)


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(lambda r: [mbap(r, RIGHT)], id="in one piece"),
        pytest.param(lambda r: [mbap(r, RIGHT)[i : i + 1] for i in range(11)], id="byte by byte"),
        pytest.param(
            lambda r: [mbap(r, b"\x03\x02\xbb\xbb", number=-1) + mbap(r, RIGHT)], id="after a late one"
        ),
    ],
)
def test_what_is_one(script: Script) -> None:
    with peer(script) as port, master(port) as ours:
        assert ours.read(pdu.READ_HOLDING, 0, 1, bytes) == b"\x12\x34"


def test_a_peer_that_hangs_up_after_each_answer_is_called_again() -> None:
    asked = []

    def once(request: bytes) -> Sequence[bytes] | None:
        asked.append(request)
        return [mbap(request, RIGHT)] if len(asked) % 2 else None

    with peer(once) as port, master(port, retries=1) as ours:
        for _ in range(3):
            assert ours.read(pdu.READ_HOLDING, 0, 1, bytes) == b"\x12\x34"


@pytest.mark.parametrize(("code", "words"), [(2, "illegal data address"), (11, "behind the gateway")])
def test_a_refusal(code: int, words: str) -> None:
    with peer(lambda r: [mbap(r, bytes([0x83, code]))]) as port, master(port) as ours:
        with pytest.raises(Refused, match=words) as caught:
            ours.read(pdu.READ_HOLDING, 0, 1, bytes)
        assert caught.value.code == code


def test_a_busy_device_is_asked_again() -> None:
    answers = iter([b"\x83\x06", b"\x83\x06", RIGHT])
    with peer(lambda r: [mbap(r, next(answers))]) as port, master(port, retries=2) as ours:
        assert ours.read(pdu.READ_HOLDING, 0, 1, bytes) == b"\x12\x34"


def test_rtu_frames_over_tcp() -> None:
    with peer(lambda r: [rtu.frame(1, RIGHT)]) as port, master(port, rtu=True) as ours:
        assert ours.read(pdu.READ_HOLDING, 0, 1, bytes) == b"\x12\x34"


def test_a_late_rtu_answer_does_not_pass_for_the_next_ones() -> None:
    """RTU answers bear no number: after a lost one the line is heard out before another question is put."""
    late = threading.Event()

    def script(request: bytes) -> Sequence[bytes]:
        if request[3] == 0:
            late.wait(0.3)  # until the master has given up, and a little longer
            return [rtu.frame(1, b"\x03\x02\x00\x00")]
        return [rtu.frame(1, RIGHT)]

    with peer(script) as port, master(port, rtu=True) as ours:
        with pytest.raises(DriverError, match="silence"):
            ours.read(pdu.READ_HOLDING, 0, 1, bytes)
        assert ours.read(pdu.READ_HOLDING, 1, 1, bytes) == b"\x12\x34"


def test_nor_does_the_second_answer_to_a_question_that_was_put_twice() -> None:
    asked = []

    def script(request: bytes) -> Sequence[bytes]:
        asked.append(request)
        time.sleep({1: 0.25, 2: 0.1}.get(len(asked), 0.0))
        return [rtu.frame(1, RIGHT if request[3] else b"\x03\x02\x00\x00")]

    with peer(script) as port, master(port, rtu=True, retries=1) as ours:
        assert ours.read(pdu.READ_HOLDING, 0, 1, bytes) == b"\0\0"
        assert ours.read(pdu.READ_HOLDING, 1, 1, bytes) == b"\x12\x34"
        assert len(asked) == 3


def test_units_behind_one_gateway_share_its_connection() -> None:
    """Each answer names its unit; the gateway takes one connection only."""
    calls = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        client, _ = listener.accept()
        calls.append(client)
        with client:
            while request := client.recv(512):
                unit = request[6]
                client.sendall(mbap(request, bytes([3, 2, 0, unit]), unit=unit))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    place = Tcp("127.0.0.1", listener.getsockname()[1], 1.0)
    masters = [Master(join(place), unit, 2.0) for unit in range(1, 6)]
    found: dict[int, set[bytes]] = {}

    def ask(ours: Master) -> None:
        found[ours.unit_id] = {ours.read(pdu.READ_HOLDING, 0, 1, bytes) for _ in range(50)}

    threads = [threading.Thread(target=ask, args=(ours,)) for ours in masters]
    for each in threads:
        each.start()
    for each in threads:
        each.join(10)
    for ours in masters:
        ours.close()
    thread.join(5)
    listener.close()
    assert found == {unit: {bytes([0, unit])} for unit in range(1, 6)}
    assert len(calls) == 1
