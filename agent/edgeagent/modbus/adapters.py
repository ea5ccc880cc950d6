"""USB serial adapters, and ports that are named by their adapter's serial number."""

from __future__ import annotations

from typing import Any

from edgeagent_sdk.errors import DriverError

USB = "usb:"


def adapters() -> list[Any]:
    """The USB serial adapters, as `serial.tools.list_ports` describes them, in the order of their paths."""
    from serial.tools.list_ports import comports

    return sorted((port for port in comports() if port.vid is not None), key=lambda port: str(port.device))


def find_port(port: str) -> str:
    """The path of a port, which may be given as ``usb:<serial number of the adapter>``.

    Raises:
        DriverError: no such adapter is plugged in.
    """
    if not port.startswith(USB):
        return port
    number = port.removeprefix(USB)
    known = {adapter.serial_number: str(adapter.device) for adapter in adapters()}
    if number not in known:
        others = ", ".join(n for n in known if n) or "none"
        raise DriverError(f"{port}: is not there", f"plug the adapter in (here are: {others})", retry_s=0.5)
    return known[number]
