"""The errors of the SDK: each says what is wrong, where, and what to do about it."""

from __future__ import annotations


class EdgeError(Exception):
    """Bad input or a refused service, in words for the person who can mend it.

    The text is one line: what, where, why, what to do. A program prints it and exits with a
    code other than 0; a traceback never reaches a user.
    """


class NameInvalid(EdgeError):
    """A site, node, device or channel name that the wire cannot carry."""


class WireError(EdgeError):
    """A line, a batch or a message that does not follow the wire."""


class DriverError(EdgeError):
    """A device cannot be opened or read.

    Args:
        reason: what is wrong, e.g. ``"/sys/…/energy_uj: permission denied"``.
        remedy: what the operator can do, e.g. ``"run as root, or: chmod …"``; empty if nothing.
        retry_s: when to try again, where the driver knows better than the agent, whose pauses grow:
            for a port that was unplugged, a look each second costs nothing.
    """

    def __init__(self, reason: str, remedy: str = "", *, retry_s: float | None = None) -> None:
        super().__init__(f"{reason}; {remedy}" if remedy else reason)
        self.reason = reason
        self.remedy = remedy
        self.retry_s = retry_s


class DeviceChanged(DriverError):
    """A device that is well, but no longer as it was opened: it is opened anew, and told of as no fault."""


class PluginError(EdgeError):
    """A driver, store or command that is not installed or does not load."""


class BrokerError(EdgeError):
    """The MQTT broker refused us, or a message did not reach it."""


class CommandTimeout(EdgeError):
    """A node did not reply to a command within its time to live."""
