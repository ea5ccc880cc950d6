"""This machine's BMC, and what is missing to speak to it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from edgeagent.drivers.ipmi.tool import INSTALL
from edgeagent.drivers.sysfs import listing, readable
from edgeagent_sdk.driver import Found, Host

_DEVICES = ("/dev/ipmi0", "/dev/ipmi/0", "/dev/ipmidev/0")

#: What the firmware says of a BMC: an entry of SMBIOS type 38.
_ENTRIES = "/sys/firmware/dmi/entries"


def discover(host: Host) -> Iterator[Found]:
    """The BMC behind /dev/ipmi0; one that the firmware tells of, though the kernel does not show it.

    It is not spoken to: a busy BMC takes longer for an answer than a probe may.
    """
    device = next((path for path in map(host.path, _DEVICES) if path.exists()), None)
    if device is None:
        if listing(host.path(_ENTRIES), "38-*"):
            yield _found("/dev/ipmi0 is not there", "modprobe ipmi_si ipmi_devintf")
    elif why := readable(device):
        yield _found(f"{device}: {why}", "run the agent as root")
    elif shutil.which("ipmitool") is None:
        yield _found("ipmitool is not installed", INSTALL)
    else:
        yield _found("", "")


def _found(missing: str, remedy: str) -> Found:
    return Found("ipmi", {}, "this machine's BMC (IPMI)", missing, remedy)
