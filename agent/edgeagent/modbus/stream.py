"""What carries frames: bytes out, bytes in until a moment, and silence."""

from __future__ import annotations

from typing import Protocol


class Stream(Protocol):
    """A serial port, or a TCP connection that is made when it is needed.

    Attributes:
        name: for messages: the port's path, or ``host:port``.
    """

    name: str

    def write(self, data: bytes) -> None:
        """Send; what was received and not read is dropped. Raises DriverError if it is gone."""

    def read(self, count: int, deadline_s: float) -> bytes:
        """At least `count` bytes, and what has come with them; fewer once `deadline_s` of the monotonic
        clock has come.

        Raises DriverError if it is gone.
        """

    def drain(self, silence_s: float) -> None:
        """Read away whatever comes until nothing has for `silence_s`. Raises DriverError."""

    def close(self) -> None:
        """Let go of it; may be called twice."""
