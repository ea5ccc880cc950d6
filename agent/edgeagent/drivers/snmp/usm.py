"""SNMP v3's user-based security (RFC 3414): messages that are authentic, of now, and secret."""

from __future__ import annotations

import hmac
import os
import time

from edgeagent.drivers.snmp import ber
from edgeagent.drivers.snmp.ber import Malformed
from edgeagent.drivers.snmp.envelope import (
    AUTHENTIC,
    REPORTABLE,
    SECRET,
    Envelope,
    Opened,
    scoped,
    seal,
    unscoped,
    unseal,
)
from edgeagent.drivers.snmp.keys import AUTHENTICATIONS, Keys, User, aes, keys_of
from edgeagent.drivers.snmp.message import GET, REPORT, Pdu, request
from edgeagent_sdk.errors import DriverError

#: RFC 3414 section 3.2: an older message is none of now.
_WINDOW_S = 150

_SALT_SIZE = 8

#: RFC 3414 section 5: what an agent reports instead of an answer, and what is to be done about it.
_UNSUPPORTED, _WINDOW, _USER, _ENGINE, _DIGEST, _DECRYPTION = (
    ber.oid(f"1.3.6.1.6.3.15.1.1.{number}.0") for number in range(1, 7)
)
_REFUSALS = {
    _UNSUPPORTED: (
        "does not take this user at this security level",
        "set auth and privacy as the device has them for the user",
    ),
    _USER: ("does not know the user {name!r}", "make the SNMP v3 user on the device, or correct user"),
    _DIGEST: (
        "refuses the authentication of user {name!r}",
        "check auth_password (8 characters or more) and auth ({auth})",
    ),
    _DECRYPTION: (
        "cannot decrypt what user {name!r} sends",
        "check privacy_password (8 characters or more) and privacy ({privacy})",
    ),
}


class UserSecurity:
    """One user at one agent. Learns who and when the agent is from its first report.

    Args:
        where: the agent, for people.
        context: the SNMP context, usually empty.
    """

    def __init__(self, user: User, where: str, context: str = "") -> None:
        self._user, self._where, self._context = user, where, context.encode()
        self._auth = AUTHENTICATIONS.get(user.auth)
        self._aes = aes() if user.privacy else None
        self._level = (AUTHENTIC if user.auth else 0) | (SECRET if user.privacy else 0)
        self._keys = Keys(b"", b"")
        self._engine_id = b""
        self._boots = self._time_s = 0
        self._time_at_s = 0.0
        self._message_id = 0
        self._salt = int.from_bytes(os.urandom(_SALT_SIZE), "big")

    def wrap(self, pdu: bytes, message_id: int) -> bytes:
        """The PDU for this agent; while the agent is not known, a question who it is."""
        self._message_id = message_id
        if not self._engine_id:
            empty = scoped(b"", self._context, request(GET, message_id, 0, 0, b""))
            return seal(Envelope(message_id, REPORTABLE, b"", 0, 0, b"", b"", b""), empty)[0]
        self._salt = (self._salt + 1) % (1 << 8 * _SALT_SIZE)
        envelope = Envelope(
            message_id,
            REPORTABLE | self._level,
            self._engine_id,
            self._boots,
            self._now_s(),
            self._user.name.encode(),
            bytes(self._auth.mac_size) if self._auth else b"",
            self._salt.to_bytes(_SALT_SIZE, "big") if self._aes else b"",
        )
        message, place = seal(
            envelope, self._encrypted(envelope, scoped(self._engine_id, self._context, pdu))
        )
        if not self._auth:
            return message
        mac = self._keys.digest(self._auth, message)
        return message[:place] + mac + message[place + len(mac) :]

    def unwrap(self, message: bytes) -> Pdu | None:
        """What the agent says, once it has proved that it is the agent, and of now.

        Raises:
            Malformed: it has not.
            DriverError: it refuses the user.
        """
        opened = unseal(message)
        envelope = opened.envelope
        if envelope.flags & AUTHENTIC:
            self._verify(message, opened)
            self._check_time(envelope)
        if envelope.flags & SECRET:
            data = self._decrypted(message, opened)
            pdu = unscoped(data, 0, len(data))
        else:
            pdu = unscoped(message, opened.at, opened.end)
        if pdu.kind == REPORT:
            self._reported(pdu, envelope)
            return None
        if envelope.flags & (AUTHENTIC | SECRET) != self._level:
            raise Malformed("an answer that is less secure than what was asked")
        return pdu

    def _encrypted(self, envelope: Envelope, data: bytes) -> bytes:
        if not self._aes:
            return data
        cipher = self._aes(self._keys.privacy, _vector(envelope)).encryptor()
        return ber.tlv(ber.OCTETS, cipher.update(data) + cipher.finalize())

    def _decrypted(self, message: bytes, opened: Opened) -> bytes:
        if not self._aes:
            raise Malformed("an encrypted answer to a plain question")
        secret, _ = ber.octets(message, opened.at, opened.end)
        cipher = self._aes(self._keys.privacy, _vector(opened.envelope)).decryptor()
        data: bytes = cipher.update(secret) + cipher.finalize()
        return data

    def _verify(self, message: bytes, opened: Opened) -> None:
        mac, place = opened.envelope.mac, opened.mac_at
        if not self._auth or opened.envelope.engine_id != self._engine_id:
            raise Malformed("an answer of another agent")
        blank = message[:place] + bytes(len(mac)) + message[place + len(mac) :]
        if not hmac.compare_digest(mac, self._keys.digest(self._auth, blank)):
            raise Malformed("an answer that is not authentic")

    def _check_time(self, envelope: Envelope) -> None:
        """Take the agent's time from what it has signed; what is older than it is a replay."""
        boots, time_s, now_s = envelope.boots, envelope.time_s, self._now_s()
        if boots < self._boots or (boots == self._boots and time_s < now_s - _WINDOW_S):
            raise Malformed("an answer of long ago")
        if (boots, time_s) > (self._boots, now_s):
            self._set_time(boots, time_s)

    def _reported(self, pdu: Pdu, envelope: Envelope) -> None:
        """Learn from a report what to do better; most are not signed, but belong to our own question."""
        what = pdu.variables[0][0] if pdu.variables else b""
        if envelope.message_id != self._message_id:
            raise Malformed("a report about another question")
        if what in _REFUSALS:
            reason, remedy = (text.format(**self._user._asdict()) for text in _REFUSALS[what])
            raise DriverError(f"{self._where} {reason}", remedy)
        if what == _ENGINE and envelope.engine_id:
            self._meet(envelope.engine_id)
            # Not proved yet; if it is not the agent's time, the agent says so, and proves it.
            self._set_time(envelope.boots, envelope.time_s)
        elif what != _WINDOW or not envelope.flags & AUTHENTIC:
            raise Malformed(f"a report of {ber.dotted(what)}")

    def _meet(self, engine_id: bytes) -> None:
        self._engine_id = engine_id
        self._keys = keys_of(self._user, engine_id)

    def _set_time(self, boots: int, time_s: int) -> None:
        self._boots, self._time_s, self._time_at_s = boots, time_s, time.monotonic()

    def _now_s(self) -> int:
        """The agent's time, as far as it is known."""
        return self._time_s + int(time.monotonic() - self._time_at_s)


def _vector(envelope: Envelope) -> bytes:
    """The initialization vector of a message: RFC 3826 section 3.1.2.1."""
    if len(envelope.salt) != _SALT_SIZE:
        raise Malformed(f"a salt of {len(envelope.salt)} octets")
    try:
        return envelope.boots.to_bytes(4, "big") + envelope.time_s.to_bytes(4, "big") + envelope.salt
    except OverflowError:
        raise Malformed("a time that is no time") from None
