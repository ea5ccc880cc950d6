"""SNMP messages: the requests we send, and what an answer says (RFC 1901, RFC 3416)."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from edgeagent.drivers.snmp import ber
from edgeagent.drivers.snmp.ber import Malformed, VarBind

GET, GET_NEXT, RESPONSE, SET, GET_BULK, REPORT = 0xA0, 0xA1, 0xA2, 0xA3, 0xA5, 0xA8

TOO_BIG = 1

#: RFC 3416, error-status.
ERRORS = {
    TOO_BIG: "its answer would not fit into a datagram",
    2: "there is no such variable",
    3: "the value is of the wrong type or range",
    4: "the variable is read-only",
    5: "it failed in itself",
    6: "this user or community has no access to the variable",
    7: "the value is of the wrong type",
    8: "the value is too long or too short",
    9: "the value is wrongly encoded",
    10: "the value is out of range",
    11: "the variable cannot be created",
    12: "the value does not fit to others",
    13: "it lacks the resources",
    14: "the change could not be made",
    15: "the change could not be taken back",
    16: "this user or community is not authorized",
    17: "the variable cannot be written",
    18: "the name does not fit to others",
}


class Pdu(NamedTuple):
    """What an answer says.

    Args:
        status: RFC 3416 error-status; 0 for none. `at` is the variable that it is about, from 1.
    """

    kind: int
    request_id: int
    status: int
    at: int
    variables: list[VarBind]


class Security(Protocol):
    """How messages are wrapped for one agent: by a community, or by a user's keys."""

    def wrap(self, pdu: bytes, message_id: int) -> bytes:
        """The message that carries a PDU."""

    def unwrap(self, message: bytes) -> Pdu | None:
        """What a message says; None if it only told who and when the agent is: then ask again.

        Raises:
            Malformed: it is none of this agent's to us.
            DriverError: the agent refuses us.
        """


def request(kind: int, request_id: int, first: int, second: int, variables: bytes) -> bytes:
    """A PDU. `first` and `second` are non-repeaters and max-repetitions of a GETBULK, 0 otherwise."""
    numbers = ber.integer(request_id) + ber.integer(first) + ber.integer(second)
    return ber.tlv(kind, numbers + ber.tlv(ber.SEQUENCE, variables))


def parse(data: bytes, at: int, end: int) -> Pdu:
    """The PDU at `at`. Raises Malformed."""
    kind = data[at] if at < end else 0
    if kind not in (RESPONSE, REPORT):
        raise Malformed(f"0x{kind:02X} is no answer")
    at, end = ber.enter(data, at, end, kind)
    request_id, at = ber.number(data, at, end)
    status, at = ber.number(data, at, end)
    place, at = ber.number(data, at, end)
    at, end = ber.enter(data, at, end, ber.SEQUENCE)
    return Pdu(kind, request_id, status, place, ber.varbinds(data, at, end))


class Community:
    """SNMP v2c: a word that everybody on the way can read."""

    _VERSION = 1

    def __init__(self, community: str) -> None:
        self._head = ber.integer(self._VERSION) + ber.tlv(ber.OCTETS, community.encode())

    def wrap(self, pdu: bytes, message_id: int) -> bytes:
        """Version, community, PDU."""
        return ber.tlv(ber.SEQUENCE, self._head + pdu)

    def unwrap(self, message: bytes) -> Pdu | None:
        """The same in an answer. Raises Malformed."""
        at, end = ber.enter(message, 0, len(message), ber.SEQUENCE)
        version, at = ber.number(message, at, end)
        _, at = ber.octets(message, at, end)
        if version != self._VERSION:
            raise Malformed(f"an answer of SNMP version {version + 1}, not 2c")
        return parse(message, at, end)
