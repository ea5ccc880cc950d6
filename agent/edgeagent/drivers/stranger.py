"""What a driver says when the device that answers is not, or may not be, the one that it has read so far."""

from __future__ import annotations

from edgeagent_sdk.errors import DriverError

_REMEDY = "put the old one back, or give the new one a device of its own and restart the agent"


def stranger(
    where: str, kind: str, now: str, known: str, *, by: str = "serial number", retry_s: float | None = None
) -> DriverError:
    """The error to raise.

    Args:
        kind: of device, e.g. ``"UPS"``.
        now: its number; empty if it tells none this once, and so need not be another one.
        known: that of the device before, or of the configuration.
        by: what kind of number that is.
        retry_s: when to look again.
    """
    if now:
        return DriverError(
            f"{where}: another {kind} has been put in its place: {by} {now}, not {known}",
            _REMEDY,
            retry_s=retry_s,
        )
    return DriverError(
        f"{where}: it does not tell its {by} now, and may be another {kind} than {known}",
        f"wait until it does, or {_REMEDY}",
        retry_s=retry_s,
    )
