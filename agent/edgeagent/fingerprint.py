"""By what a device is known again after a restart or a reload, so that no other one is taken for it."""

from __future__ import annotations

import hashlib

import msgspec

from edgeagent_sdk.driver import Options


def fingerprint(driver: str, options: Options, identity: str = "") -> str:
    """A digest of how the device is reached, and of who it says it is.

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
    told = msgspec.json.encode([driver, given, identity], enc_hook=str, order="sorted")
    return hashlib.sha256(told).hexdigest()
