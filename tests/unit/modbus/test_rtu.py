"""Frames: what is sent comes back, what is damaged or somebody else's never does."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU
from pymodbus.pdu.bit_message import (
    ReadCoilsRequest,
    ReadDiscreteInputsRequest,
    WriteSingleCoilRequest,
)
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadInputRegistersRequest,
    WriteMultipleRegistersRequest,
    WriteSingleRegisterRequest,
)

from edgeagent.modbus import pdu, rtu
from edgeagent.modbus.pdu import ExceptionAnswer, FrameError

slaves = st.integers(1, 247)
addresses = st.integers(0, 0xFFFF)
words = st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=120)


class Asked(NamedTuple):
    """A request PDU, and the unit that it goes to."""

    unit_id: int
    request: bytes

    def take(self, answer: bytes) -> bytes:
        """The body of a whole frame, as a master takes it."""
        if len(answer) < 5 or rtu.answer_length(self.unit_id, self.request, answer) != len(answer):
            raise FrameError(f"{len(answer)} bytes are not a whole answer")
        return pdu.check(self.request, rtu.unwrap(answer))

    def length(self, head: bytes) -> int:
        """How long the answer is, as far as its first bytes tell."""
        return rtu.answer_length(self.unit_id, self.request, head)


def data_of(values: list[int]) -> bytes:
    return b"".join(value.to_bytes(2, "big") for value in values)


@st.composite
def exchanges(draw: st.DrawFn) -> tuple[Asked, bytes, bytes]:
    """A request, the right answer to it, and what that says."""
    unit_id, address, data = draw(slaves), draw(addresses), data_of(draw(words))
    function = draw(st.sampled_from([*pdu.READ_MAX, pdu.WRITE_COIL, pdu.WRITE_ONE, pdu.WRITE_MANY]))
    if function in (pdu.READ_COILS, pdu.READ_DISCRETE):
        request = pdu.read(function, address, 8 * len(data) - draw(st.integers(0, 7)))
        body = bytes([len(data)]) + data
    elif function in pdu.READ_MAX:
        request = pdu.read(function, address, len(data) // 2)
        body = bytes([len(data)]) + data
    else:
        request = {
            pdu.WRITE_COIL: lambda: pdu.write_coil(address, draw(st.booleans())),
            pdu.WRITE_ONE: lambda: pdu.write_one(address, data[:2]),
            pdu.WRITE_MANY: lambda: pdu.write_many(address, data),
        }[function]()
        body = request[1:5]
    return Asked(unit_id, request), rtu.frame(unit_id, request[:1] + body), body


@given(exchange=exchanges())
def test_round_trip(exchange: tuple[Asked, bytes, bytes]) -> None:
    request, answer, body = exchange
    assert request.take(answer) == body
    for length in range(len(answer)):
        assert request.length(answer[:length]) > length


@given(exchange=exchanges(), code=st.integers(0, 255))
def test_a_refusal_is_told_as_one(exchange: tuple[Asked, bytes, bytes], code: int) -> None:
    request, _, _ = exchange
    refusal = rtu.frame(request.unit_id, bytes([request.request[0] | 0x80, code]))
    with pytest.raises(ExceptionAnswer) as caught:
        request.take(refusal)
    assert caught.value.code == code


@given(exchange=exchanges(), flips=st.sets(st.integers(0, 8 * 256 - 1), min_size=1, max_size=2))
def test_one_or_two_wrong_bits_are_never_taken(exchange: tuple[Asked, bytes, bytes], flips: set[int]) -> None:
    request, answer, _ = exchange
    damaged = bytearray(answer)
    for bit in {bit % (8 * len(answer)) for bit in flips}:
        damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(FrameError):
        request.take(bytes(damaged))


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
    exchange: tuple[Asked, bytes, bytes], garbage: bytes
) -> None:
    request, answer, _ = exchange
    with pytest.raises(FrameError):
        request.take(garbage if garbage != answer else b"")


@given(garbage=st.binary(max_size=300), sealed=st.booleans())
def test_garbage_in_the_place_of_an_identification(garbage: bytes, sealed: bool) -> None:
    request = Asked(9, pdu.device_id())
    answer = rtu.frame(9, b"\x2b" + garbage) if sealed else b"\x09\x2b" + garbage
    try:
        pdu.device_id_objects(request.take(answer))
    except FrameError:
        return
    assert sealed


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (rtu.frame(2, b"\x04\x02\x00\x07"), "unit 2, not 1"),
        (rtu.frame(1, b"\x03\x02\x00\x07"), "function 3, not 4"),
        (rtu.frame(1, b"\x04\x04\x00\x07\x00\x07"), "9 bytes are not a whole answer"),
        (rtu.frame(1, b"\x04\x01\x00\x07"), "1 bytes announced, 2 sent"),
        (rtu.frame(1, b"\x04\x02\x00\x07")[:-1] + b"!", "wrong CRC"),
    ],
)
def test_somebody_elses_answers(answer: bytes, why: str) -> None:
    with pytest.raises(FrameError, match=why):
        Asked(1, pdu.read(pdu.READ_INPUT, 0, 1)).take(answer)


@given(slave=slaves, address=addresses, values=words)
def test_requests_are_those_of_pymodbus(slave: int, address: int, values: list[int]) -> None:
    framer = FramerRTU(DecodePDU(True))
    count = len(values)
    ours = [
        pdu.read(pdu.READ_COILS, address, count),
        pdu.read(pdu.READ_DISCRETE, address, count),
        pdu.read(pdu.READ_HOLDING, address, count),
        pdu.read(pdu.READ_INPUT, address, count),
        pdu.write_coil(address, bool(values[0] & 1)),
        pdu.write_one(address, data_of(values[:1])),
        pdu.write_many(address, data_of(values)),
    ]
    theirs = [
        ReadCoilsRequest(dev_id=slave, address=address, count=count),
        ReadDiscreteInputsRequest(dev_id=slave, address=address, count=count),
        ReadHoldingRegistersRequest(dev_id=slave, address=address, count=count),
        ReadInputRegistersRequest(dev_id=slave, address=address, count=count),
        WriteSingleCoilRequest(dev_id=slave, address=address, bits=[bool(values[0] & 1)]),
        WriteSingleRegisterRequest(dev_id=slave, address=address, registers=values[:1]),
        WriteMultipleRegistersRequest(dev_id=slave, address=address, registers=values),
    ]
    assert [rtu.frame(slave, request) for request in ours] == [framer.buildFrame(each) for each in theirs]


def test_an_identification_in_two_parts() -> None:
    request = Asked(1, pdu.device_id())
    parts = [b"\x0e\x01\x01\xff\x02\x02\x00\x02EA\x01\x04node", b"\x0e\x01\x01\x00\x00\x01\x02\x050.1.0"]
    answers = [rtu.frame(1, b"\x2b" + part) for part in parts]
    first, second = (pdu.device_id_objects(request.take(answer)) for answer in answers)
    assert first == ({0: b"EA", 1: b"node"}, 2)
    assert second == ({2: b"0.1.0"}, None)
    for answer in answers:
        lengths = [request.length(answer[:n]) for n in range(len(answer) + 1)]
        assert all(a <= b for a, b in pairwise(lengths)) and lengths[-1] == len(answer)
