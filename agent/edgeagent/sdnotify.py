"""Telling systemd how we are: sd_notify(3), without a library."""

from __future__ import annotations

import os
import socket
import time


def notify(state: str) -> None:
    """Send a state such as ``READY=1``; does nothing when not started by systemd."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # an abstract socket
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        try:
            sock.sendto(state.encode(), address)
        except OSError:
            pass  # systemd is not there to hear it


def reloading() -> None:
    """A reload has begun; the time is what Type=notify-reload asks for."""
    notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")


def watchdog_s() -> float | None:
    """How often systemd wants to hear ``WATCHDOG=1`` at the latest, or None."""
    usec = os.environ.get("WATCHDOG_USEC", "")
    mine = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return int(usec) / 1e6 if usec.isdigit() and mine else None
