"""SNMP v3: a user's keys, and messages that are authentic, of now, and secret.

Sources: RFC 3412 section 6 (the message), RFC 3414 (the user-based security model), RFC 7860 (SHA-2),
RFC 3826 (AES). Hashes come from Python, AES from `cryptography`.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from edgeagent.drivers.snmp import ber
from edgeagent.drivers.snmp.ber import Malformed
from edgeagent.drivers.snmp.message import GET, REPORT, Pdu, parse, request
from edgeagent_sdk.errors import DriverError

_VERSION, _USM = 3, 3
_AUTHENTIC, _SECRET, _REPORTABLE = 1, 2, 4

#: The largest message that we take: what a UDP datagram holds.
_MAX_SIZE = 65_507

#: RFC 3414 section 3.2: an older message is none of now.
_WINDOW_S = 150

_MEGABYTE = 1 << 20


class Authentication(NamedTuple):
    """A protocol: the hash, and how many of its octets a message carries."""

    hash: str
    mac_size: int


#: RFC 3414 (md5, sha) and RFC 7860.
AUTHENTICATIONS = {
    "md5": Authentication("md5", 12),
    "sha": Authentication("sha1", 12),
    "sha224": Authentication("sha224", 16),
    "sha256": Authentication("sha256", 24),
    "sha384": Authentication("sha384", 32),
    "sha512": Authentication("sha512", 48),
}

#: AES in CFB mode with keys of so many octets. Those over 128 bits are of
#: draft-blumenthal-aes-usm-04, which net-snmp and most makers follow where a hash is too short.
PRIVACIES = {"aes128": 16, "aes192": 24, "aes256": 32}

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


def localized_key(hash_name: str, password: bytes, engine_id: bytes) -> bytes:
    """The user's key at one agent: RFC 3414 sections 2.6 and A.2."""
    repeated = password * (_MEGABYTE // len(password) + 1)
    key = hashlib.new(hash_name, repeated[:_MEGABYTE]).digest()
    return hashlib.new(hash_name, key + engine_id + key).digest()


def extended_key(hash_name: str, key: bytes, size: int) -> bytes:
    """`key` made `size` octets long: draft-blumenthal-aes-usm-04 section 3.1.2.1."""
    while len(key) < size:
        key += hashlib.new(hash_name, key).digest()
    return key[:size]


class User(NamedTuple):
    """Who asks. Without `auth` nothing is proved, without `privacy` nothing is secret."""

    name: str
    auth: str = ""
    auth_password: str = ""
    privacy: str = ""
    privacy_password: str = ""


class UserSecurity:
    """One user at one agent. Learns who and when the agent is from its first report.

    Args:
        where: the agent, for people.
        context: the SNMP context, usually empty.
    """

    def __init__(self, user: User, where: str, context: str = "") -> None:
        self._user, self._where, self._context = user, where, context.encode()
        self._auth = AUTHENTICATIONS.get(user.auth)
        self._engine_id = b""
        self._boots = self._time_s = 0
        self._time_at_s = 0.0
        self._auth_key = self._privacy_key = b""
        self._salt = int.from_bytes(os.urandom(8), "big")
        self._aes: Callable[[bytes, bytes], Any] | None = _aes() if user.privacy else None

    def wrap(self, pdu: bytes, message_id: int) -> bytes:
        """The PDU for this agent; while the agent is not known, a question who it is."""
        if not self._engine_id:
            empty = self._scoped(request(GET, message_id, 0, 0, b""))
            return self._message(message_id, _REPORTABLE, b"", empty)
        scoped, salt, flags, now_s = self._scoped(pdu), b"", _REPORTABLE, self._now_s()
        if self._auth:
            flags |= _AUTHENTIC
        if self._aes:
            flags |= _SECRET
            self._salt = (self._salt + 1) % (1 << 64)
            salt = self._salt.to_bytes(8, "big")
            cipher = self._aes(self._privacy_key, _vector(self._boots, now_s, salt)).encryptor()
            scoped = ber.tlv(ber.OCTETS, cipher.update(scoped) + cipher.finalize())
        return self._message(message_id, flags, salt, scoped, self._user.name.encode(), now_s)

    def unwrap(self, message: bytes) -> Pdu | None:
        """What the agent says, once it has proved that it is the agent, and of now.

        Raises:
            Malformed: it has not.
            DriverError: it refuses the user.
        """
        at, end = ber.enter(message, 0, len(message), ber.SEQUENCE)
        version, at = ber.number(message, at, end)
        if version != _VERSION:
            raise Malformed("an answer of another version of SNMP")
        header_at, header_end = ber.enter(message, at, end, ber.SEQUENCE)
        _, header_at = ber.number(message, header_at, header_end)
        _, header_at = ber.number(message, header_at, header_end)
        flags, _ = ber.octets(message, header_at, header_end)
        at, stop = ber.enter(message, header_end, end, ber.OCTETS)
        at, stop = ber.enter(message, at, stop, ber.SEQUENCE)
        engine_id, at = ber.octets(message, at, stop)
        boots, at = ber.number(message, at, stop)
        time_s, at = ber.number(message, at, stop)
        _, at = ber.octets(message, at, stop)
        mac, at = ber.octets(message, at, stop)
        salt, _ = ber.octets(message, at, stop)
        flag = flags[0] if flags else 0
        if flag & _AUTHENTIC:
            self._verify(message, mac, at - len(mac), engine_id)
            self._check_time(boots, time_s)
        data, at = message, stop
        if flag & _SECRET:
            data, at, end = self._decrypted(message, stop, end, _vector(boots, time_s, salt))
        at, end = ber.enter(data, at, end, ber.SEQUENCE)
        _, at = ber.octets(data, at, end)
        _, at = ber.octets(data, at, end)
        pdu = parse(data, at, end)
        if pdu.kind == REPORT:
            self._reported(pdu, engine_id, boots, time_s, authentic=bool(flag & _AUTHENTIC))
            return None
        if flag & (_AUTHENTIC | _SECRET) != self._level():
            raise Malformed("an answer that is less secure than what was asked")
        return pdu

    def _level(self) -> int:
        return (_AUTHENTIC if self._auth else 0) | (_SECRET if self._aes else 0)

    def _scoped(self, pdu: bytes) -> bytes:
        context = ber.tlv(ber.OCTETS, self._engine_id) + ber.tlv(ber.OCTETS, self._context)
        return ber.tlv(ber.SEQUENCE, context + pdu)

    def _message(
        self, message_id: int, flags: int, salt: bytes, data: bytes, name: bytes = b"", now_s: int = 0
    ) -> bytes:
        mac = bytes(self._auth.mac_size) if self._auth and flags & _AUTHENTIC else b""
        header = (
            ber.integer(message_id)
            + ber.integer(_MAX_SIZE)
            + ber.tlv(ber.OCTETS, bytes((flags,)))
            + ber.integer(_USM)
        )
        security = (
            ber.tlv(ber.OCTETS, self._engine_id)
            + ber.integer(self._boots)
            + ber.integer(now_s)
            + ber.tlv(ber.OCTETS, name)
            + ber.tlv(ber.OCTETS, mac)
            + ber.tlv(ber.OCTETS, salt)
        )
        message = ber.tlv(
            ber.SEQUENCE,
            ber.integer(_VERSION)
            + ber.tlv(ber.SEQUENCE, header)
            + ber.tlv(ber.OCTETS, ber.tlv(ber.SEQUENCE, security))
            + data,
        )
        if not mac:
            return message
        # Behind the digest stand the salt, with its tag and length, and the data.
        end = len(message) - len(data) - len(salt) - 2
        return message[: end - len(mac)] + self._digest(message) + message[end:]

    def _digest(self, message: bytes) -> bytes:
        assert self._auth is not None
        return hmac.digest(self._auth_key, message, self._auth.hash)[: self._auth.mac_size]

    def _verify(self, message: bytes, mac: bytes, place: int, engine_id: bytes) -> None:
        if not self._auth or engine_id != self._engine_id:
            raise Malformed("an answer of another agent")
        blank = message[:place] + bytes(len(mac)) + message[place + len(mac) :]
        if not hmac.compare_digest(mac, self._digest(blank)):
            raise Malformed("an answer that is not authentic")

    def _check_time(self, boots: int, time_s: int) -> None:
        """Take the agent's time from what it has signed; what is older than it is a replay."""
        if boots < self._boots or (boots == self._boots and time_s < self._now_s() - _WINDOW_S):
            raise Malformed("an answer of long ago")
        if (boots, time_s) > (self._boots, self._now_s()):
            self._set_time(boots, time_s)

    def _decrypted(self, message: bytes, at: int, end: int, vector: bytes) -> tuple[bytes, int, int]:
        if not self._aes:
            raise Malformed("an encrypted answer to a plain question")
        secret, _ = ber.octets(message, at, end)
        cipher = self._aes(self._privacy_key, vector).decryptor()
        data = cipher.update(secret) + cipher.finalize()
        return data, 0, len(data)

    def _reported(self, pdu: Pdu, engine_id: bytes, boots: int, time_s: int, *, authentic: bool) -> None:
        what = pdu.variables[0][0] if pdu.variables else b""
        if what in _REFUSALS:
            reason, remedy = (text.format(**self._user._asdict()) for text in _REFUSALS[what])
            raise DriverError(f"{self._where} {reason}", remedy)
        if what == _ENGINE and engine_id:
            self._meet(engine_id)
            # Not proved yet; if it is not the agent's time, the agent says so, and proves it.
            self._set_time(boots, time_s)
        elif what != _WINDOW or not authentic:
            raise Malformed(f"a report of {ber.dotted(what)}")

    def _meet(self, engine_id: bytes) -> None:
        self._engine_id = engine_id
        user = self._user
        if not self._auth:
            return
        self._auth_key = localized_key(self._auth.hash, user.auth_password.encode(), engine_id)
        if user.privacy:
            key = localized_key(self._auth.hash, user.privacy_password.encode(), engine_id)
            self._privacy_key = extended_key(self._auth.hash, key, PRIVACIES[user.privacy])

    def _set_time(self, boots: int, time_s: int) -> None:
        self._boots, self._time_s, self._time_at_s = boots, time_s, time.monotonic()

    def _now_s(self) -> int:
        """The agent's time, as far as it is known."""
        return self._time_s + int(time.monotonic() - self._time_at_s)


def _vector(boots: int, time_s: int, salt: bytes) -> bytes:
    """The initialization vector of a message: RFC 3826 section 3.1.2.1."""
    if len(salt) != 8:
        raise Malformed(f"a salt of {len(salt)} octets")
    try:
        return boots.to_bytes(4, "big") + time_s.to_bytes(4, "big") + salt
    except OverflowError:
        raise Malformed("a time that is no time") from None


def _aes() -> Callable[[bytes, bytes], Any]:
    """AES in CFB mode: key and initialization vector → cipher. Raises DriverError."""
    try:
        from cryptography.hazmat.primitives.ciphers import Cipher
        from cryptography.hazmat.primitives.ciphers.algorithms import AES
    except ImportError:
        raise DriverError(
            "SNMP v3 privacy needs the package cryptography", "pip install 'edgeagent[snmp]'"
        ) from None
    try:
        from cryptography.hazmat.decrepit.ciphers.modes import CFB
    except ImportError:  # before version 46
        from cryptography.hazmat.primitives.ciphers.modes import CFB
    return lambda key, vector: Cipher(AES(key), CFB(vector))
