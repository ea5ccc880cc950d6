"""The machine's own BMC, from what its firmware says in SMBIOS."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeagent.drivers.redfish import RedfishSensor
from edgeagent.drivers.redfish.discovery import service_url
from tests.unit.drivers.trees import build


def structure(address: str, port: int, *, interface: int = 0x40, protocol: int = 4) -> bytes:
    """A structure of type 42 by DSP0270: a USB network device, and one protocol record."""
    ip = ipaddress.ip_address(address)
    family = bytes([1 if ip.version == 4 else 2])
    record = bytes(16) + b"\1" + family + bytes(32) + b"\1" + family + ip.packed.ljust(16, b"\0") + bytes(16)
    record += port.to_bytes(2, "little") + bytes(4) + b"\3bmc"
    device = b"\2\6" + bytes(4)
    body = bytes([interface, len(device)]) + device + b"\1" + bytes([protocol, len(record)]) + record
    return bytes([42, 4 + len(body), 0x2A, 0]) + body + b"\0\0"


@pytest.mark.parametrize(
    ("raw", "url"),
    [
        pytest.param(structure("169.254.3.254", 443), "https://169.254.3.254", id="IPv4"),
        pytest.param(structure("169.254.3.254", 8443), "https://169.254.3.254:8443", id="a port of its own"),
        pytest.param(structure("fe80::1", 443), "https://[fe80::1]", id="IPv6"),
        pytest.param(structure("10.0.0.1", 443, interface=0x02), "", id="no network interface"),
        pytest.param(structure("10.0.0.1", 443, protocol=2), "", id="IPMI, not Redfish"),
        pytest.param(structure("10.0.0.1", 0), "", id="without a port"),
        pytest.param(structure("10.0.0.1", 443)[:60], "", id="cut off"),
        pytest.param(b"", "", id="empty"),
    ],
)
def test_the_service_that_a_host_interface_leads_to(raw: bytes, url: str) -> None:
    assert service_url(raw) == url


@given(st.binary(max_size=200))
def test_no_bytes_make_it_fail(noise: bytes) -> None:
    service_url(b"\x2a\x40\0\0\x40" + noise)


def test_probe_says_what_is_missing(tmp_path: Path) -> None:
    host = build(tmp_path, {"sys/firmware/dmi/entries/42-0/raw": structure("169.254.3.254", 443)})
    [found] = RedfishSensor.discover(host)
    assert found.options == {"url": "https://169.254.3.254"}
    assert found.missing == "its user and password" and "password_file" in found.remedy
    assert list(RedfishSensor.discover(build(tmp_path / "none", {}))) == []
