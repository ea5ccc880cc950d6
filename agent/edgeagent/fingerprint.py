"""By what a device is known again after a restart or a reload, so that no other one is taken for it."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import msgspec

from edgeagent_sdk.driver import Options


class Fingerprint(NamedTuple):
    """How a device is reached, as a digest, and who it says it is; empty if it does not say."""

    device: str
    identity: str

    def fits(self, now: Fingerprint) -> bool:
        """Whether what was noted under this one is that of the device as it is now.

        A device that told nothing of itself then is known by the way to it alone. One that did must say it
        again: who says nothing this once, a BMC that is still booting, may be anybody.
        """
        return self.device == now.device and self.identity in ("", now.identity)


def fingerprint(driver: str, options: Options, identity: str = "") -> Fingerprint:
    """What tells a device from another.

    What is left at its default does not count, so that options which a newer driver knows change nothing;
    nor do secrets, by which no device is told from another: the options that may be kept in a file instead.

    Args:
        identity: the device's own, where the driver knows it: a serial number, a UUID.
    """
    fields = {field.name: field.default for field in msgspec.structs.fields(options)}
    given = {
        name: getattr(options, name)
        for name, default in fields.items()
        if f"{name}_file" not in fields and getattr(options, name) != default
    }
    told = msgspec.json.encode([driver, given, ""], enc_hook=str, order="sorted")
    return Fingerprint(hashlib.sha256(told).hexdigest(), identity)
