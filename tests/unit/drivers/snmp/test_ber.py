"""The encoding: every value there and back, the rules' own examples, and bytes that are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeagent.drivers.snmp import ber
from edgeagent.drivers.snmp.ber import Malformed
from edgeagent.drivers.snmp.message import GET_BULK, RESPONSE, Community, parse, request

ARC = st.integers(0, 2**32 - 1)
OID = st.lists(ARC, max_size=20).map(lambda rest: ".".join(map(str, [1, 3, *rest])))

OIDS = [("1.3.6.1.4.1.2680.1.2.7.3.2.0", "2b06010401947801020703 0200"), ("2.999.3", "883703"), ("0.0", "00")]
INTEGERS = [(0, "020100"), (127, "02017f"), (128, "02020080"), (-128, "020180"), (-129, "0202ff7f")]


@pytest.mark.parametrize(("text", "octets"), OIDS)
def test_an_object_identifier(text: str, octets: str) -> None:
    assert ber.oid(text) == bytes.fromhex(octets)
    assert ber.dotted(ber.oid(text)) == text


@pytest.mark.parametrize(("number", "octets"), INTEGERS)
def test_a_number(number: int, octets: str) -> None:
    assert ber.integer(number) == bytes.fromhex(octets)


@pytest.mark.parametrize("text", ["1", "", "3.1", "1.40", "1.x", "1.-3"])
def test_what_is_no_object_identifier(text: str) -> None:
    with pytest.raises(ValueError):
        ber.oid(text)


@given(OID)
def test_object_identifiers_there_and_back(text: str) -> None:
    assert ber.dotted(ber.oid(text)) == text


@given(st.integers(-(2**63), 2**64 - 1))
def test_numbers_there_and_back(number: int) -> None:
    data = ber.integer(number)
    assert ber.number(data, 0, len(data)) == (number, len(data))


VALUE = st.one_of(
    st.integers(-(2**31), 2**31 - 1).map(lambda n: (ber.integer(n), n)),
    st.integers(0, 2**32 - 1).map(lambda n: (ber.integer(n, 0x42), n)),
    st.integers(0, 2**64 - 1).map(lambda n: (ber.integer(n, 0x46), n)),
    st.binary(max_size=300).map(lambda text: (ber.tlv(ber.OCTETS, text), text)),
    st.sampled_from([0x80, 0x81, 0x82]).map(lambda tag: (bytes((tag, 0)), None)),
)


@given(st.lists(st.tuples(OID.map(ber.oid), VALUE), max_size=12), st.integers(0, 2**31 - 1))
def test_an_answer_there_and_back(
    variables: list[tuple[bytes, tuple[bytes, int | bytes | None]]], request_id: int
) -> None:
    community = Community("secret")
    body = b"".join(ber.bind(name, encoded) for name, (encoded, _) in variables)
    pdu = community.unwrap(community.wrap(request(RESPONSE, request_id, 0, 0, body), 1))
    assert pdu is not None
    assert (pdu.request_id, pdu.status) == (request_id, 0)
    assert pdu.variables == [(name, value) for name, (_, value) in variables]


@given(st.binary(max_size=100))
def test_noise_is_malformed_or_an_answer_but_never_an_error(noise: bytes) -> None:
    try:
        Community("x").unwrap(noise)
    except Malformed:
        pass


@given(st.data())
def test_a_damaged_answer_is_never_an_error(data: st.DataObject) -> None:
    body = b"".join(ber.bind(ber.oid(f"1.3.6.1.4.1.1718.{i}"), ber.integer(10**i)) for i in range(5))
    message = bytearray(Community("public").wrap(request(RESPONSE, 12345, 0, 0, body), 1))
    cut = data.draw(st.integers(0, len(message)))
    place = data.draw(st.integers(0, len(message) - 1))
    message[place] = data.draw(st.integers(0, 255))
    try:
        Community("public").unwrap(bytes(message[:cut] if data.draw(st.booleans()) else message))
    except Malformed:
        pass


def test_half_an_answer_is_malformed() -> None:
    message = Community("public").wrap(request(RESPONSE, 1, 0, 0, ber.bind(ber.oid("1.3.6"))), 1)
    for size in range(len(message)):
        with pytest.raises(Malformed):
            Community("public").unwrap(message[:size])


def test_a_question_is_no_answer() -> None:
    data = request(GET_BULK, 1, 0, 10, b"")
    with pytest.raises(Malformed, match="no answer"):
        parse(data, 0, len(data))
