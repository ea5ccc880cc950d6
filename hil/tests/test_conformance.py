"""What the node makes of any bytes on its line: an answer, an exception or silence; and nothing else happens.

Source: MODBUS Application Protocol V1.1b3 (functions, exceptions), MODBUS over Serial Line V1.02 (frames,
addresses, silence). After every case the node answers the next request, and its outputs are untouched.
"""

from __future__ import annotations

import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeagent_hil.rig.master import crc, frame
from edgeagent_hil.rig.stimulus import Stimulus
from edgeagent_sdk.nodemap import (
    ACCESS,
    CALIBRATION,
    CONFIG,
    DIAGNOSTICS,
    IDENTITY,
    KEY_CONFIG,
    OUTPUTS,
    RESET_PLAIN,
    SETPOINTS,
    TELEMETRY,
    Board,
)
from hil.tests.registers import PATIENCE_S, Refused, Registers

FUNCTION, ADDRESS, VALUE = 1, 2, 3
"""Exceptions: of the function, of the address, of the value."""

#: A request whose answer never changes: the number of the telemetry block.
MARKER = frame(1, struct.pack(">BHH", 4, TELEMETRY.address, 1))
MARKER_ANSWER = frame(1, struct.pack(">BBH", 4, 2, 0xB002))


def read(function: int, address: int, count: int) -> bytes:
    """A request to read registers."""
    return struct.pack(">BHH", function, address, count)


def one(address: int, value: int) -> bytes:
    """A request to write one register."""
    return struct.pack(">BHH", 6, address, value)


def many(address: int, words: list[int], count: int | None = None) -> bytes:
    """A request to write many registers; `count` lies about how many."""
    count = len(words) if count is None else count
    return struct.pack(f">BHHB{len(words)}H", 16, address, count, 2 * len(words), *words)


def identification(code: int, first: int, kind: int = 14) -> bytes:
    """A request for the device's identification."""
    return bytes([43, kind, code, first])


LOCKED, UNLOCKED, CONFIGURABLE = range(3)

EXCEPTIONS = [
    # Functions that the node does not have; of those it knows no length, so silence ends them.
    *((f"function {n}", UNLOCKED, bytes([n, 0, 0, 0, 1]), FUNCTION) for n in (0, 1, 2, 5, 7, 8, 15, 23, 100)),
    ("an answer's function", UNLOCKED, bytes([0x83, 2]), FUNCTION),
    ("identification by another way", UNLOCKED, identification(1, 0, kind=13), FUNCTION),
    # Reads.
    *(
        (f"function {function} {words}", UNLOCKED, read(function, address, count), exception)
        for function, block in ((3, CONFIG), (4, TELEMETRY))
        for words, address, count, exception in (
            ("of nothing", block.address, 0, VALUE),
            ("of 126 registers", block.address, 126, VALUE),
            ("of 65535 registers", block.address, 0xFFFF, VALUE),
            ("before a block", block.address - 1, 1, ADDRESS),
            ("behind a block", block.address + block.words, 1, ADDRESS),
            ("over the end of a block", block.address, block.words + 1, ADDRESS),
            ("at the last address", 0xFFFF, 1, ADDRESS),
            ("over the last address", 0xFFFF, 2, ADDRESS),
        )
    ),
    # Writes to where nothing is, or nothing that may be written.
    ("write behind a block", UNLOCKED, one(SETPOINTS.address + SETPOINTS.words, 0), ADDRESS),
    ("write over the end of a block", UNLOCKED, many(CONFIG.address + CONFIG.words - 1, [0, 0]), ADDRESS),
    ("write to a measured value", UNLOCKED, one(TELEMETRY.at("energy_in"), 0), ADDRESS),
    ("two keys at once", LOCKED, many(ACCESS.address, [KEY_CONFIG, RESET_PLAIN]), ADDRESS),
    # Writes without the key.
    ("a setpoint, locked", LOCKED, one(SETPOINTS.at("relay1"), 1), FUNCTION),
    ("setpoints, locked", LOCKED, many(SETPOINTS.at("relay1"), [1, 0, 5000]), FUNCTION),
    ("a setting, locked", LOCKED, one(CONFIG.at("shed_delay_ms"), 1), FUNCTION),
    ("a setting, unlocked for setpoints", UNLOCKED, one(CONFIG.at("shed_delay_ms"), 1), FUNCTION),
    ("a calibration, unlocked for setpoints", UNLOCKED, one(CALIBRATION.address, 0), FUNCTION),
    ("a reset, unlocked for setpoints", UNLOCKED, one(ACCESS.at("reset"), RESET_PLAIN), FUNCTION),
    ("a wrong key", UNLOCKED, one(ACCESS.at("access"), 0x4C46), VALUE),
    ("no such reset", CONFIGURABLE, one(ACCESS.at("reset"), 1), VALUE),
    # Values out of range.
    ("a relay neither open nor closed", UNLOCKED, one(SETPOINTS.at("relay1"), 2), VALUE),
    ("more than all of the duty", UNLOCKED, one(SETPOINTS.at("fan1"), 10_001), VALUE),
    ("a lease of an hour and more", UNLOCKED, many(SETPOINTS.at("fan1_lease_ms"), [0x0036, 0xEE81]), VALUE),
    ("a slave id for all", CONFIGURABLE, one(CONFIG.at("slave_id"), 0), VALUE),
    ("a slave id that is reserved", CONFIGURABLE, one(CONFIG.at("slave_id"), 248), VALUE),
    ("a guard below all cold", CONFIGURABLE, one(CONFIG.at("guard_temperature"), 0xFFD7), VALUE),
    # What FC 16 says of itself.
    ("many, none", UNLOCKED, many(SETPOINTS.address, []), VALUE),
    ("many, more than said", UNLOCKED, many(SETPOINTS.address, [1, 0, 5000], count=2), VALUE),
    ("many, fewer than said", UNLOCKED, many(SETPOINTS.address, [1, 0, 5000], count=4), VALUE),
    # All or nothing: the first values are right, the last is not.
    ("many, one of them wrong", UNLOCKED, many(SETPOINTS.address, [1, 0, 5000, 1, 0, 5000, 10_001]), VALUE),
    # Identification.
    ("identification, no such code", UNLOCKED, identification(0, 0), VALUE),
    ("identification, no such code either", UNLOCKED, identification(5, 0), VALUE),
    ("identification, no such object", UNLOCKED, identification(4, 3), ADDRESS),
]

REQUEST = frame(1, one(SETPOINTS.at("relay2"), 1))
LONGEST = many(SETPOINTS.address, [0] * 124)

SILENCES = [
    ("one byte", b"\x01", "crc_errors"),
    ("zeros", bytes(40), "crc_errors"),
    ("ones", b"\xff" * 40, "crc_errors"),
    ("text", b"AT+CGMI\r\n\r\nlogin: root\r\n", "crc_errors"),
    ("more than a frame can be", bytes(range(256)) + bytes(100), "crc_errors"),
    ("a request that is one register too long", frame(1, LONGEST), "crc_errors"),
    ("a request that was cut", REQUEST[:-1], "crc_errors"),
    ("a head that promises much", bytes([1, 16, 0, 16, 0, 100, 200]), "crc_errors"),
    ("a wrong CRC", REQUEST[:-1] + bytes([REQUEST[-1] ^ 1]), "crc_errors"),
    ("a CRC the wrong way round", REQUEST[:-2] + REQUEST[:-3:-1], "crc_errors"),
    ("one wrong bit", bytes([REQUEST[0], REQUEST[1] ^ 0x80]) + REQUEST[2:], "crc_errors"),
    ("a request to another", frame(2, one(SETPOINTS.at("relay2"), 1)), "other_slaves"),
    ("a request to a reserved address", frame(248, read(4, 0, 1)), "other_slaves"),
    ("a read to all", frame(0, read(4, 0, 1)), "frames"),
]

KEYS = {LOCKED: 0, UNLOCKED: 0x4C45, CONFIGURABLE: KEY_CONFIG}


def outputs(registers: Registers) -> dict[str, int]:
    """What the outputs are told and what they do."""
    told, does = registers.read(SETPOINTS), registers.read(TELEMETRY)
    names = [output.name for output in OUTPUTS]
    return {name: told[name] for name in names} | {
        f"{part}_{name}": does[f"{part}_{name}"] for name in names for part in ("output", "source")
    }


def goes_on(registers: Registers) -> None:
    """The next request is answered, and nothing came before."""
    registers.master.send(MARKER)
    assert registers.master.receive(PATIENCE_S).hex() == MARKER_ANSWER.hex()


@pytest.mark.parametrize(
    ("level", "pdu", "exception"),
    [pytest.param(level, pdu, exception, id=name) for name, level, pdu, exception in EXCEPTIONS],
)
def test_refused(registers: Registers, level: int, pdu: bytes, exception: int) -> None:
    registers.lease("relay1", 1, 600_000)
    registers.unlock(KEYS[level])
    before, counted = outputs(registers), registers.read(DIAGNOSTICS)
    registers.master.send(frame(1, pdu))
    assert registers.master.receive(PATIENCE_S).hex() == frame(1, bytes([pdu[0] | 0x80, exception])).hex()
    goes_on(registers)
    assert outputs(registers) == before
    assert registers.read(DIAGNOSTICS)["exceptions"] == counted["exceptions"] + 1


@pytest.mark.parametrize(
    ("data", "counter"), [pytest.param(data, counter, id=name) for name, data, counter in SILENCES]
)
def test_not_answered(registers: Registers, data: bytes, counter: str) -> None:
    registers.lease("relay1", 1, 600_000)
    before, counted = outputs(registers), registers.read(DIAGNOSTICS)
    registers.master.send(data)
    goes_on(registers)
    assert outputs(registers) == before
    now = registers.read(DIAGNOSTICS)
    assert now[counter] > counted[counter]
    assert now["exceptions"] == counted["exceptions"] + (counter == "frames")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(noise=st.binary(min_size=1, max_size=300))
def test_noise_changes_nothing(registers: Registers, noise: bytes) -> None:
    before = outputs(registers)
    registers.master.send(noise + bytes([crc(noise)[0] ^ 0x55]))
    goes_on(registers)
    assert outputs(registers) == before


def test_to_all(registers: Registers, stimulus: Stimulus) -> None:
    """A write to all is carried out, and not answered."""
    for closed in (1, 0, 1):
        registers.master.send(frame(0, many(SETPOINTS.at("relay2"), [closed, 0, 60_000])))
        goes_on(registers)
        assert registers.telemetry("output_relay2") == closed
        assert stimulus.relay(2) is bool(closed)


def test_a_neighbours_conversation_is_none_of_ours(registers: Registers) -> None:
    """Requests to another slave, and its answers, pass by; the next request to us is answered at once."""
    counted = registers.read(DIAGNOSTICS)["other_slaves"]
    for _ in range(5):
        registers.master.send(frame(9, read(3, 0, 2)) + frame(9, bytes([3, 4, 0, 1, 0, 2])))
        goes_on(registers)
    assert registers.read(DIAGNOSTICS)["other_slaves"] >= counted + 5


def test_two_requests_in_one_breath(registers: Registers) -> None:
    """Silence between frames is not needed: their length tells where they end."""
    registers.master.send(MARKER * 3)
    for _ in range(3):
        assert registers.master.receive(PATIENCE_S) == MARKER_ANSWER


def test_a_request_behind_noise(registers: Registers) -> None:
    registers.master.send(b"\x00\xff\x00" + MARKER)
    assert registers.master.receive(PATIENCE_S) == MARKER_ANSWER


def test_a_request_byte_by_byte(registers: Registers) -> None:
    for byte in MARKER:
        registers.master.send(bytes([byte]))
    assert registers.master.receive(PATIENCE_S) == MARKER_ANSWER


def test_the_longest_requests(registers: Registers) -> None:
    """123 registers in one write are a frame of 255 bytes: whole, and refused for its address alone."""
    with pytest.raises(Refused, match="exception 2"):
        registers.write_words(0xF000, [0] * 123)


def objects(answer: bytes) -> dict[int, str]:
    """The objects of an identification's answer."""
    found, at = {}, 7
    for _ in range(answer[6]):
        size = answer[at + 1]
        found[answer[at]] = answer[at + 2 : at + 2 + size].decode("ascii")
        at += 2 + size
    assert at == len(answer)
    return found


@pytest.mark.parametrize(
    ("code", "first", "ids"),
    [
        pytest.param(1, 0, [0, 1, 2], id="basic"),
        pytest.param(2, 0, [0, 1, 2], id="regular"),
        pytest.param(3, 0, [0, 1, 2], id="extended"),
        pytest.param(1, 1, [1, 2], id="from the second object on"),
        pytest.param(1, 200, [0, 1, 2], id="from nowhere: from the beginning"),
        *(pytest.param(4, n, [n], id=f"object {n} alone") for n in range(3)),
    ],
)
def test_identification(registers: Registers, code: int, first: int, ids: list[int]) -> None:
    answer = registers.master.ask(identification(code, first))
    assert answer[:6] == bytes([43, 14, code, 0x81, 0, 0])
    told = registers.read(IDENTITY)
    version = ".".join(str(told[f"version_{part}"]) for part in ("major", "minor", "patch"))
    whole = {0: "edgeagent", 1: f"sensor-node-{Board(told['board']).name.lower()}", 2: version}
    assert objects(answer) == {id_: whole[id_] for id_ in ids}
