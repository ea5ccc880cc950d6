"""How the certificate of a device is judged."""

from __future__ import annotations

import ssl

from edgeagent_sdk.errors import DriverError


def context(verify: bool, ca_file: str) -> ssl.SSLContext:
    """What a TLS connection to a device takes. Raises DriverError for a `ca_file` that is none."""
    if not verify:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
        return made
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DriverError(f"ca_file {ca_file}: {reason}", "give the PEM file of a CA") from None
