"""The keys of a BMC's ``[[device]]``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from edgeagent.drivers.credentials import Login


def _key(description: str, **bounds: Any) -> Any:
    return msgspec.Meta(description=description, **bounds)


class RedfishOptions(Login, kw_only=True):
    """Which BMC, how it is reached, and what of it is read."""

    url: Annotated[str, _key("the BMC's address, https://host[:port]")]
    chassis: Annotated[str, _key("read this chassis only, by its Id; empty for all")] = ""
    sensors: Annotated[
        bool, _key("read the single sensors as well; many requests for a BMC that cannot expand collections")
    ] = True
    auth: Annotated[
        Literal["session", "basic"],
        _key("keep a session, or basic where the BMC has none; or send the password with each request"),
    ] = "session"
    verify: Annotated[bool, _key("whether the BMC's certificate must verify; false trusts anybody")] = True
    ca_file: Annotated[str, _key("PEM file of the CA that signed the BMC; empty for the system's CAs")] = ""
    timeout_s: Annotated[float, _key("the BMC's longest silence; some take 30 s", ge=0.1, le=600)] = 60.0
    max_age_s: Annotated[
        float, _key("values that a slow BMC gave longer ago than this are faults", ge=1, le=3600)
    ] = 180.0
    serial_number: Annotated[str, _key("read the machine with this serial number only; empty for any")] = ""
    limit_min_w: Annotated[float, _key("lowest power limit that may be set; 0 for the BMC's word", ge=0)] = (
        0.0
    )
    limit_max_w: Annotated[float, _key("highest power limit that may be set; 0 for the BMC's word", ge=0)] = (
        0.0
    )
