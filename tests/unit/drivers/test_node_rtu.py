"""Frames: what is sent comes back, what is damaged or somebody else's never does."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadInputRegistersRequest,
    WriteMultipleRegistersRequest,
    WriteSingleRegisterRequest,
)

from edgeagent.drivers.node import rtu
from edgeagent.drivers.node.rtu import ExceptionAnswer, FrameError

slaves = st.integers(1, 247)
addresses = st.integers(0, 0xFFFF)
words = st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=120)


def data_of(values: list[int]) -> bytes:
    return b"".join(value.to_bytes(2, "big") for value in values)


@st.composite
def exchanges(draw: st.DrawFn) -> tuple[bytes, bytes, bytes]:
    """A request, the right answer to it, and what that says."""
    slave, address, data = draw(slaves), draw(addresses), data_of(draw(words))
    count = len(data) // 2
    kind = draw(st.sampled_from(("holding", "input", "one", "many", "refusal")))
    if kind in ("holding", "input"):
        function = rtu.READ_HOLDING if kind == "holding" else rtu.READ_INPUT
        request = rtu.read_request(slave, function, address, count)
        body = bytes([len(data)]) + data
    elif kind == "one":
        request = rtu.write_one_request(slave, address, int.from_bytes(data[:2], "big"))
        body = request[2:6]
    else:
        request = rtu.write_many_request(slave, address, data)
        body = request[2:6]
    return request, rtu.frame(slave, request[1:2] + body), body


@given(exchange=exchanges())
def test_round_trip(exchange: tuple[bytes, bytes, bytes]) -> None:
    request, answer, body = exchange
    assert rtu.check_answer(request, answer) == body
    for length in range(len(answer)):
        assert rtu.answer_length(request, answer[:length]) > length


@given(exchange=exchanges(), code=st.integers(0, 255))
def test_a_refusal_is_told_as_one(exchange: tuple[bytes, bytes, bytes], code: int) -> None:
    request, _, _ = exchange
    refusal = rtu.frame(request[0], bytes([request[1] | 0x80, code]))
    with pytest.raises(ExceptionAnswer) as caught:
        rtu.check_answer(request, refusal)
    assert caught.value.code == code


@given(exchange=exchanges(), flips=st.sets(st.integers(0, 8 * 256 - 1), min_size=1, max_size=2))
def test_one_or_two_wrong_bits_are_never_taken(exchange: tuple[bytes, bytes, bytes], flips: set[int]) -> None:
    request, answer, _ = exchange
    damaged = bytearray(answer)
    for bit in {bit % (8 * len(answer)) for bit in flips}:
        damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(FrameError):
        rtu.check_answer(request, bytes(damaged))


def test_every_pair_of_wrong_bits_shows_in_the_crc_of_the_longest_frame() -> None:
    """The CRC is linear: a pair stays unseen only if its two bits change the CRC alike, one if not at all."""
    nothing = rtu.crc(bytes(254))
    marks = set()
    for bit in range(8 * 254):
        data = bytearray(254)
        data[bit // 8] = 1 << bit % 8
        marks.add(bytes(a ^ b for a, b in zip(rtu.crc(bytes(data)), nothing, strict=True)))
    marks |= {(1 << bit).to_bytes(2, "little") for bit in range(16)}  # in the CRC itself
    assert len(marks) == 8 * 256
    assert bytes(2) not in marks


@given(exchange=exchanges(), garbage=st.binary(max_size=300))
def test_garbage_is_a_frame_error_or_asks_for_more(
    exchange: tuple[bytes, bytes, bytes], garbage: bytes
) -> None:
    request, answer, _ = exchange
    with pytest.raises(FrameError):
        rtu.check_answer(request, garbage if garbage != answer else b"")


@given(garbage=st.binary(max_size=300), sealed=st.booleans())
def test_garbage_in_the_place_of_an_identification(garbage: bytes, sealed: bool) -> None:
    request = rtu.device_id_request(9)
    answer = rtu.frame(9, b"\x2b" + garbage) if sealed else b"\x09\x2b" + garbage
    try:
        rtu.device_id_objects(rtu.check_answer(request, answer))
    except FrameError:
        return
    assert sealed


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (rtu.frame(2, b"\x04\x02\x00\x07"), "slave 2, not 1"),
        (rtu.frame(1, b"\x03\x02\x00\x07"), "function 3, not 4"),
        (rtu.frame(1, b"\x04\x04\x00\x07\x00\x07"), "9 bytes are not a whole answer"),
        (rtu.frame(1, b"\x04\x01\x00\x07"), "1 bytes announced, 2 sent"),
        (rtu.frame(1, b"\x04\x02\x00\x07")[:-1] + b"!", "wrong CRC"),
    ],
)
def test_somebody_elses_answers(answer: bytes, why: str) -> None:
    with pytest.raises(FrameError, match=why):
        rtu.check_answer(rtu.read_request(1, rtu.READ_INPUT, 0, 1), answer)


@given(slave=slaves, address=addresses, values=words)
def test_requests_are_those_of_pymodbus(slave: int, address: int, values: list[int]) -> None:
    framer = FramerRTU(DecodePDU(True))
    count = len(values)
    ours = [
        rtu.read_request(slave, rtu.READ_HOLDING, address, count),
        rtu.read_request(slave, rtu.READ_INPUT, address, count),
        rtu.write_one_request(slave, address, values[0]),
        rtu.write_many_request(slave, address, data_of(values)),
    ]
    theirs = [
        ReadHoldingRegistersRequest(dev_id=slave, address=address, count=count),
        ReadInputRegistersRequest(dev_id=slave, address=address, count=count),
        WriteSingleRegisterRequest(dev_id=slave, address=address, registers=values[:1]),
        WriteMultipleRegistersRequest(dev_id=slave, address=address, registers=values),
    ]
    assert ours == [framer.buildFrame(pdu) for pdu in theirs]


def test_an_identification_in_two_parts() -> None:
    request = rtu.device_id_request(1)
    parts = [b"\x0e\x01\x01\xff\x02\x02\x00\x02EA\x01\x04node", b"\x0e\x01\x01\x00\x00\x01\x02\x050.1.0"]
    answers = [rtu.frame(1, b"\x2b" + part) for part in parts]
    first, second = (rtu.device_id_objects(rtu.check_answer(request, answer)) for answer in answers)
    assert first == ({0: b"EA", 1: b"node"}, 2)
    assert second == ({2: b"0.1.0"}, None)
    for answer in answers:
        lengths = [rtu.answer_length(request, answer[:n]) for n in range(len(answer) + 1)]
        assert all(a <= b for a, b in pairwise(lengths)) and lengths[-1] == len(answer)
