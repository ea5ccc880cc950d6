"""A serial port for one program at a time, as a `Stream`."""

from __future__ import annotations

import errno
import os
import select
import termios
import time
from pathlib import Path

from edgeagent_sdk.errors import DriverError

#: A port that is not there is looked for this often; a look costs next to nothing.
_LOOK_S = 0.5

#: Bytes trickle in. Waking for each handful costs more than a rest of three bytes' time at 115200 baud
#: after which more of them are there: a quarter of the CPU time of a read.
_REST_S = 0.0003

#: More than any frame.
_CHUNK_BYTES = 4096

#: A drain ends here even if somebody babbles on.
_DRAIN_MAX_S = 0.5


class SerialPort:
    """An open serial port, 8 data bits, held exclusively.

    pyserial opens and configures it; reads and writes go to the file itself, against one deadline
    for a whole answer (pyserial's timeout counts anew with each call).

    Args:
        parity: ``N``, ``E`` or ``O``.
        stop_bits: 1 or 2.

    Raises:
        DriverError: it is not there, not ours to open, or in use by another program.
    """

    def __init__(self, path: str, baud: int, parity: str = "N", stop_bits: int = 1) -> None:
        import serial

        self.name = path
        try:
            self._serial = serial.Serial(
                path, baud, parity=parity, stopbits=stop_bits, timeout=0, exclusive=True
            )
        except ValueError as error:  # pyserial's word for a rate that the driver does not have
            raise DriverError(f"{path}: {error}; set another baud") from None
        except (OSError, serial.SerialException) as error:
            raise _refused(path, error) from None
        self._fd: int = self._serial.fileno()
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLIN)

    def write(self, data: bytes) -> None:
        """Send; what was received and not read is dropped. Raises DriverError if the port is gone."""
        try:
            termios.tcflush(self._fd, termios.TCIFLUSH)
            while data:
                data = data[os.write(self._fd, data) :]
        except (OSError, termios.error):
            raise gone(self.name) from None

    def read(self, count: int, deadline_s: float) -> bytes:
        """At least `count` bytes, and what has come with them; fewer once `deadline_s` of the monotonic
        clock has come.

        Raises DriverError if the port is gone.
        """
        data = b""
        while len(data) < count:
            wait_s = deadline_s - time.monotonic()
            if not self._poll.poll(max(0.0, 1e3 * wait_s)):
                break
            data += self._take()
            if len(data) < count:
                time.sleep(_REST_S)
        return data

    def drain(self, silence_s: float) -> None:
        """Read away whatever comes until nothing has for `silence_s`. Raises DriverError."""
        until = time.monotonic() + _DRAIN_MAX_S
        while time.monotonic() < until and self._poll.poll(1e3 * silence_s):
            self._take()

    def close(self) -> None:
        """Let go of it; may be called twice."""
        try:
            self._serial.close()
        except OSError:
            pass  # the adapter is gone, and the file with it
        self._fd = -1  # the number may soon be another file's

    def _take(self) -> bytes:
        try:
            data = os.read(self._fd, _CHUNK_BYTES)
        except BlockingIOError:
            return b""
        except OSError:
            raise gone(self.name) from None
        if not data:
            raise gone(self.name)
        return data


def gone(path: str) -> DriverError:
    """The error of a port that was unplugged; its text stays the same from the loss until the return."""
    return DriverError(f"{path}: is not there", "plug the adapter in", retry_s=_LOOK_S)


def _refused(path: str, error: OSError) -> DriverError:
    number = error.errno
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.EIO):
        return gone(path)
    if number in (errno.EACCES, errno.EPERM):
        return DriverError(
            f"{path}: permission denied",
            "add this user to the port's group (usermod -aG dialout …) and log in again",
            retry_s=1.0,  # as it is for a moment after a plug-in, until udev has come by
        )
    if number in (errno.EBUSY, errno.EAGAIN) or "lock" in str(error):
        return DriverError(
            f"{path}: in use by {user(path) or 'another program'}",
            "stop that one first; through a running agent it is set by `edgeagent cap`",
            retry_s=1.0,
        )
    if "configure" in str(error):
        return DriverError(f"{path}: is no serial port", "check the path")
    return DriverError(f"{path}: {os.strerror(number).lower() if number else error}")


def user(path: str) -> str:
    """The program that holds the lock on a file, if the kernel tells: ``edgeagent (pid 123)``."""
    try:
        file = Path(path).stat()
        place = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"
        for line in Path("/proc/locks").read_text("ascii").splitlines():
            _, kind, _, _, pid, where, *_ = line.replace("->", "").split()
            if (kind, where) == ("FLOCK", place):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                ours = any(b"edgeagent" in word for word in words)
                return f"{'edgeagent' if ours else Path(os.fsdecode(words[0])).name} (pid {pid})"
    except (OSError, ValueError):
        pass  # not for us to see
    return ""
