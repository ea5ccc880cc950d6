"""This machine's own BMC, by the address that its firmware tells in SMBIOS.

Source: DMTF DSP0270, Redfish Host Interface Specification, "SMBIOS Type 42 structure" and "Redfish over
IP protocol".
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from pathlib import Path

from edgeagent.drivers.sysfs import listing, readable
from edgeagent_sdk.driver import Found, Host

_ENTRIES = "/sys/firmware/dmi/entries"

_NETWORK_INTERFACE = 0x40
_REDFISH_OVER_IP = 0x04

#: Offsets in the data of a Redfish-over-IP record: how to read the service's address, the address, its port.
_FORMAT, _ADDRESS, _PORT = 51, 52, 84

_CREDENTIALS = "give it a username and a password_file, and its CA as ca_file"


def discover(host: Host) -> Iterator[Found]:
    """Every BMC that a host interface leads to. Nothing is sent: it is not known who listens there."""
    for entry in listing(host.path(_ENTRIES), "42-*"):
        raw = entry / "raw"
        if why := readable(raw):
            yield Found("bmc", {}, "perhaps a BMC with Redfish", f"{raw}: {why}", "run this as root")
        elif url := service_url(_content(raw)):
            options = {"url": url}
            yield Found("bmc", options, f"this machine's BMC at {url}", "its user and password", _CREDENTIALS)


def service_url(structure: bytes) -> str:
    """The address of the Redfish service in an SMBIOS structure of type 42; empty if it has none."""
    if len(structure) < 7 or structure[0] != 42 or structure[4] != _NETWORK_INTERFACE:
        return ""
    at = 6 + structure[5]
    for _ in range(structure[at] if at < len(structure) else 0):
        kind, length = structure[at + 1 : at + 2], structure[at + 2 : at + 3]
        if not length:
            return ""
        record = structure[at + 3 : at + 3 + length[0]]
        if kind == bytes([_REDFISH_OVER_IP]) and (url := _url(record)):
            return url
        at += 2 + length[0]
    return ""


def _url(record: bytes) -> str:
    port = int.from_bytes(record[_PORT : _PORT + 2], "little")
    if len(record) < _PORT + 2 or not port:
        return ""
    address = record[_ADDRESS : _ADDRESS + 16]
    match record[_FORMAT]:
        case 1:
            host = str(ipaddress.IPv4Address(address[:4]))
        case 2:
            host = f"[{ipaddress.IPv6Address(address)}]"
        case _:
            return ""
    return f"https://{host}" + (f":{port}" if port != 443 else "")


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
