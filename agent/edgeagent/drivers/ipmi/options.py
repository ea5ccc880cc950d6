"""The keys of an IPMI ``[[device]]``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from edgeagent.drivers.credentials import Login


def _key(description: str, **bounds: Any) -> Any:
    return msgspec.Meta(description=description, **bounds)


class IpmiOptions(Login, kw_only=True):
    """Which BMC, how it is reached, and what of it is read."""

    address: Annotated[
        str, _key("the BMC's host name or address, spoken to by RMCP+ (lanplus); empty for this machine's")
    ] = ""
    port: Annotated[int, _key("the BMC's UDP port", ge=1, le=65535)] = 623
    privilege: Annotated[
        Literal["user", "operator", "administrator"],
        _key("what the session may do: user reads, operator sets the power limit"),
    ] = "user"
    cipher: Annotated[
        int, _key("cipher suite, e.g. 17 or 3; -1 to ask the BMC, which some never answer", ge=-1, le=255)
    ] = -1
    sensors: Annotated[bool, _key("read the sensors as well, not only DCMI's power")] = True
    timeout_s: Annotated[float, _key("for one run of ipmitool", ge=0.1, le=600)] = 60.0
    max_age_s: Annotated[
        float, _key("values that a slow BMC gave longer ago than this are faults", ge=1, le=3600)
    ] = 180.0
    limit_min_w: Annotated[
        float, _key("lowest power limit that may be set; 0 leaves the limit alone", ge=0)
    ] = 0.0
    limit_max_w: Annotated[
        float, _key("highest power limit that may be set; 0 leaves the limit alone", ge=0, le=65534)
    ] = 0.0
