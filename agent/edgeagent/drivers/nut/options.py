"""The keys of a UPS's ``[[device]]``."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from edgeagent.drivers.credentials import Login


def _key(description: str, **bounds: Any) -> Any:
    return msgspec.Meta(description=description, **bounds)


class NutOptions(Login):
    """Which UPS, and how its upsd is reached."""

    ups: Annotated[str, _key("the UPS's name at upsd; empty where there is only one")] = ""
    address: Annotated[str, _key("the host name or address of upsd")] = "127.0.0.1"
    port: Annotated[int, _key("the TCP port of upsd", ge=1, le=65535)] = 3493
    tls: Annotated[bool, _key("encrypt the connection (STARTTLS)")] = False
    verify: Annotated[
        bool, _key("with tls: whether upsd's certificate must verify; false trusts anybody")
    ] = True
    ca_file: Annotated[str, _key("with tls: PEM file of the CA that signed upsd; empty for the system's")] = (
        ""
    )
    timeout_s: Annotated[float, _key("for a whole answer of upsd", ge=0.1, le=60)] = 5.0
    serial_number: Annotated[str, _key("read the UPS with this serial number only; empty for any")] = ""
