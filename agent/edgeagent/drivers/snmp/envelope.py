"""The SNMP v3 message: what stands round a scoped PDU (RFC 3412 section 6, RFC 3414 section 2.4)."""

from __future__ import annotations

from typing import NamedTuple

from edgeagent.drivers.snmp import ber
from edgeagent.drivers.snmp.ber import Malformed
from edgeagent.drivers.snmp.message import Pdu, parse

AUTHENTIC, SECRET, REPORTABLE = 1, 2, 4

_VERSION, _USM = 3, 3

#: The largest message that we take: what a UDP datagram holds.
_MAX_SIZE = 65_507


class Envelope(NamedTuple):
    """A message without what it carries.

    Args:
        flags: AUTHENTIC, SECRET, REPORTABLE.
        boots, time_s: how often the agent has started, and how long ago the last time.
        mac: the digest; zeros of its size while it is not known.
    """

    message_id: int
    flags: int
    engine_id: bytes
    boots: int
    time_s: int
    user: bytes
    mac: bytes
    salt: bytes


class Opened(NamedTuple):
    """A message that came: the digest stands at `mac_at`, what it carries from `at` to `end`."""

    envelope: Envelope
    mac_at: int
    at: int
    end: int


def seal(envelope: Envelope, data: bytes) -> tuple[bytes, int]:
    """The message that carries `data`, and where its digest belongs."""
    header = (
        ber.integer(envelope.message_id)
        + ber.integer(_MAX_SIZE)
        + ber.tlv(ber.OCTETS, bytes((envelope.flags,)))
        + ber.integer(_USM)
    )
    security = (
        ber.tlv(ber.OCTETS, envelope.engine_id)
        + ber.integer(envelope.boots)
        + ber.integer(envelope.time_s)
        + ber.tlv(ber.OCTETS, envelope.user)
        + ber.tlv(ber.OCTETS, envelope.mac)
        + ber.tlv(ber.OCTETS, envelope.salt)
    )
    message = ber.tlv(
        ber.SEQUENCE,
        ber.integer(_VERSION)
        + ber.tlv(ber.SEQUENCE, header)
        + ber.tlv(ber.OCTETS, ber.tlv(ber.SEQUENCE, security))
        + data,
    )
    # Behind the digest stand the salt, with its tag and length, and the data.
    return message, len(message) - len(data) - len(envelope.salt) - 2 - len(envelope.mac)


def unseal(message: bytes) -> Opened:
    """The parts of a message. Raises Malformed."""
    at, end = ber.enter(message, 0, len(message), ber.SEQUENCE)
    version, at = ber.number(message, at, end)
    if version != _VERSION:
        raise Malformed("an answer of another version of SNMP")
    at, stop = ber.enter(message, at, end, ber.SEQUENCE)
    message_id, at = ber.number(message, at, stop)
    _, at = ber.number(message, at, stop)
    flags, _ = ber.octets(message, at, stop)
    at, stop = ber.enter(message, stop, end, ber.OCTETS)
    at, stop = ber.enter(message, at, stop, ber.SEQUENCE)
    engine_id, at = ber.octets(message, at, stop)
    boots, at = ber.number(message, at, stop)
    time_s, at = ber.number(message, at, stop)
    user, at = ber.octets(message, at, stop)
    mac, at = ber.octets(message, at, stop)
    salt, _ = ber.octets(message, at, stop)
    envelope = Envelope(message_id, flags[0] if flags else 0, engine_id, boots, time_s, user, mac, salt)
    return Opened(envelope, at - len(mac), stop, end)


def scoped(engine_id: bytes, context: bytes, pdu: bytes) -> bytes:
    """A PDU with the context that it is about."""
    return ber.tlv(ber.SEQUENCE, ber.tlv(ber.OCTETS, engine_id) + ber.tlv(ber.OCTETS, context) + pdu)


def unscoped(data: bytes, at: int, end: int) -> Pdu:
    """The PDU out of its context. Raises Malformed."""
    at, end = ber.enter(data, at, end, ber.SEQUENCE)
    _, at = ber.octets(data, at, end)
    _, at = ber.octets(data, at, end)
    return parse(data, at, end)
