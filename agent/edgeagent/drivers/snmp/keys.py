"""SNMP v3: the algorithms, and a user's keys at one agent.

Sources: RFC 3414 (MD5, SHA-1, localized keys), RFC 7860 (SHA-2), RFC 3826 (AES). Hashes come from Python,
AES from `cryptography`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import Any, NamedTuple

from edgeagent_sdk.errors import DriverError


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

_MEGABYTE = 1 << 20


class User(NamedTuple):
    """Who asks. Without `auth` nothing is proved, without `privacy` nothing is secret."""

    name: str
    auth: str = ""
    auth_password: str = ""
    privacy: str = ""
    privacy_password: str = ""


class Keys(NamedTuple):
    """One user's at one agent; empty where the user has none."""

    auth: bytes
    privacy: bytes

    def digest(self, protocol: Authentication, message: bytes) -> bytes:
        """What proves that a message is from somebody who has the key."""
        return hmac.digest(self.auth, message, protocol.hash)[: protocol.mac_size]


def keys_of(user: User, engine_id: bytes) -> Keys:
    """A user's keys at the agent with this engine id."""
    if not user.auth:
        return Keys(b"", b"")
    hash_name = AUTHENTICATIONS[user.auth].hash
    auth = localized_key(hash_name, user.auth_password.encode(), engine_id)
    if not user.privacy:
        return Keys(auth, b"")
    privacy = localized_key(hash_name, user.privacy_password.encode(), engine_id)
    return Keys(auth, extended_key(hash_name, privacy, PRIVACIES[user.privacy]))


def localized_key(hash_name: str, password: bytes, engine_id: bytes) -> bytes:
    """A password's key at one agent: RFC 3414 sections 2.6 and A.2."""
    repeated = password * (_MEGABYTE // len(password) + 1)
    key = hashlib.new(hash_name, repeated[:_MEGABYTE]).digest()
    return hashlib.new(hash_name, key + engine_id + key).digest()


def extended_key(hash_name: str, key: bytes, size: int) -> bytes:
    """`key` made `size` octets long: draft-blumenthal-aes-usm-04 section 3.1.2.1."""
    while len(key) < size:
        key += hashlib.new(hash_name, key).digest()
    return key[:size]


def aes() -> Callable[[bytes, bytes], Any]:
    """AES in CFB mode: key and initialization vector -> cipher. Raises DriverError."""
    try:
        from cryptography.hazmat.primitives.ciphers import Cipher
        from cryptography.hazmat.primitives.ciphers.algorithms import AES
    except ImportError:
        raise DriverError(
            "SNMP v3 privacy needs the package cryptography", "pip install 'edgeagent[snmp]'"
        ) from None
    try:
        from cryptography.hazmat.decrepit.ciphers.modes import CFB
    except ImportError:  # before version 48
        from cryptography.hazmat.primitives.ciphers.modes import CFB
    return lambda key, vector: Cipher(AES(key), CFB(vector))
