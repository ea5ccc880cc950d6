"""SNMP v3: keys by the standard's own examples, and messages between two sides."""

from __future__ import annotations

import sys
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeagent.drivers.snmp import ber
from edgeagent.drivers.snmp.ber import Malformed
from edgeagent.drivers.snmp.envelope import Envelope, scoped, seal
from edgeagent.drivers.snmp.keys import User, extended_key, keys_of, localized_key
from edgeagent.drivers.snmp.message import GET, REPORT, RESPONSE, request
from edgeagent.drivers.snmp.usm import UserSecurity
from edgeagent_sdk.errors import DriverError

ENGINE = bytes.fromhex("000000000000000000000002")

#: RFC 3414 sections A.3.1 and A.3.2.
KEYS = [
    ("md5", "526f5eed9fcce26f8964c2930787d82b"),
    ("sha1", "6695febc9288e36282235fc7151f128497b38f3f"),
]


@pytest.mark.parametrize(("hash_name", "key"), KEYS)
def test_a_localized_key(hash_name: str, key: str) -> None:
    assert localized_key(hash_name, b"maplesyrup", ENGINE).hex() == key


def test_an_extended_key_begins_with_the_key() -> None:
    key = localized_key("sha1", b"maplesyrup", ENGINE)
    assert extended_key("sha1", key, 16) == key[:16]
    assert extended_key("sha1", key, 32)[:20] == key and len(extended_key("sha1", key, 32)) == 32


#: A key is a hash of a megabyte.
KEYS_OF = cache(keys_of)

SECURITY = [
    User("u"),
    User("u", "sha", "authpass1"),
    User("u", "sha256", "authpass1", "aes128", "privpass1"),
    User("u", "sha512", "authpass1", "aes256", "privpass1"),
]


def acquainted(user: User, *, boots: int = 5, time_s: int = 1000) -> UserSecurity:
    """One side that has met the agent."""
    side = UserSecurity(user, "10.0.0.5:161")
    side._engine_id, side._keys = ENGINE, KEYS_OF(user, ENGINE)
    side._set_time(boots, time_s)
    return side


def report(number: int, *, message_id: int = 77, time_s: int = 1000) -> bytes:
    """An agent's unsigned report of one of RFC 3414's counters."""
    what = ber.bind(ber.oid(f"1.3.6.1.6.3.15.1.1.{number}.0"), ber.integer(1, 0x41))
    pdu = scoped(ENGINE, b"", request(REPORT, message_id, 0, 0, what))
    return seal(Envelope(message_id, 0, ENGINE, 5, time_s, b"", b"", b""), pdu)[0]


ANSWER = request(RESPONSE, 77, 0, 0, ber.bind(ber.oid("1.3.6.1.2.1.1.3.0"), ber.integer(4711, 0x43)))


@pytest.mark.parametrize("user", SECURITY)
def test_what_one_side_says_the_other_understands(user: User) -> None:
    pdu = acquainted(user).unwrap(acquainted(user).wrap(ANSWER, 77))
    assert pdu is not None and pdu.variables == [(ber.oid("1.3.6.1.2.1.1.3.0"), 4711)]


@pytest.mark.parametrize("user", SECURITY[2:])
def test_a_secret_is_not_in_the_message(user: User) -> None:
    assert ber.oid("1.3.6.1.2.1.1.3.0") not in acquainted(user).wrap(ANSWER, 77)


@given(st.data())
def test_not_one_bit_may_be_changed(data: st.DataObject) -> None:
    user = data.draw(st.sampled_from(SECURITY[1:]))
    message = bytearray(acquainted(user).wrap(ANSWER, 77))
    place = data.draw(st.integers(0, len(message) - 1))
    message[place] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(Malformed):
        acquainted(user).unwrap(bytes(message))


@given(st.binary(max_size=200))
def test_noise_is_malformed(noise: bytes) -> None:
    with pytest.raises(Malformed):
        acquainted(SECURITY[2]).unwrap(noise)


WRONG_MOMENTS = [(5, 700), (4, 1000)]


@pytest.mark.parametrize(("boots", "time_s"), WRONG_MOMENTS)
def test_an_answer_of_long_ago_is_none(boots: int, time_s: int) -> None:
    old = acquainted(SECURITY[2], boots=boots, time_s=time_s).wrap(ANSWER, 77)
    with pytest.raises(Malformed, match="long ago"):
        acquainted(SECURITY[2]).unwrap(old)


def test_a_plain_answer_to_a_secret_question_is_none() -> None:
    plain = acquainted(SECURITY[0]).wrap(ANSWER, 77)
    with pytest.raises(Malformed, match="less secure"):
        acquainted(SECURITY[2]).unwrap(plain)


def test_an_answer_of_another_agent_is_none() -> None:
    other = UserSecurity(SECURITY[1], "")
    other._meet(b"another engine")
    other._set_time(5, 1000)
    with pytest.raises(Malformed, match="another agent"):
        acquainted(SECURITY[1]).unwrap(other.wrap(ANSWER, 77))


REPORTS = [
    (1, "does not take this user at this security level; set auth and privacy"),
    (3, "does not know the user 'u'; make the SNMP v3 user"),
    (5, "refuses the authentication of user 'u'; check auth_password"),
    (6, "cannot decrypt what user 'u' sends; check privacy_password"),
]


@pytest.mark.parametrize(("number", "words"), REPORTS)
def test_a_refusal_is_told_with_its_remedy(number: int, words: str) -> None:
    side = acquainted(SECURITY[2])
    side.wrap(ANSWER, 77)
    with pytest.raises(DriverError, match=words):
        side.unwrap(report(number))


@pytest.mark.parametrize(("number", "message_id"), [(3, 76), (4, 76), (2, 77)])
def test_a_report_that_anybody_may_have_made_is_none(number: int, message_id: int) -> None:
    side = acquainted(SECURITY[2])
    side.wrap(ANSWER, 77)
    with pytest.raises(Malformed, match="report"):
        side.unwrap(report(number, message_id=message_id))


def test_the_agent_is_met_first_and_then_asked() -> None:
    side = UserSecurity(SECURITY[1]._replace(name="somebody"), "10.0.0.5:161")
    assert b"somebody" not in side.wrap(request(GET, 77, 0, 0, b""), 77)
    assert side.unwrap(report(4)) is None
    assert b"somebody" in side.wrap(ANSWER, 77)
    assert acquainted(SECURITY[1]).unwrap(side.wrap(ANSWER, 77)) is not None


def test_without_the_package_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers", None)
    UserSecurity(SECURITY[1], "")
    with pytest.raises(DriverError, match=r"pip install 'edgeagent\[snmp\]'"):
        UserSecurity(SECURITY[2], "")


def test_a_salt_is_never_used_twice() -> None:
    side = acquainted(SECURITY[2])
    assert len({side.wrap(ANSWER, 77) for _ in range(100)}) == 100
