"""Made-up /sys and /proc trees, built from tables: path → content."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edgeagent_sdk.channel import Fault, Value
from edgeagent_sdk.driver import Host, Sensor

#: Reading this file at offset 0 gives a real EIO, from the real kernel.
EIO = Path("/proc/self/mem")


def build(root: Path, files: Mapping[str, str | bytes | Path]) -> Host:
    """A host whose root has these files; a Path as content makes a symbolic link."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        match content:
            case str():
                path.write_text(content)
            case bytes():
                path.write_bytes(content)
            case Path():
                path.symlink_to(content)
    return Host(root)


def values(sensor: Sensor) -> dict[str, Value]:
    """One pass: quantity/channel → value."""
    channels = sensor.open()
    found = {f"{c.quantity.name}/{c.name}": v for c, v in zip(channels, sensor.read(), strict=True)}
    sensor.close()
    return found


def good(found: Mapping[str, Value]) -> dict[str, float]:
    """The numbers among them, rounded as a table shows them."""
    return {key: round(value, 6) for key, value in found.items() if not isinstance(value, Fault)}


def reasons(found: Mapping[str, Value]) -> dict[str, str]:
    """The faults among them."""
    return {key: value.reason for key, value in found.items() if isinstance(value, Fault)}
