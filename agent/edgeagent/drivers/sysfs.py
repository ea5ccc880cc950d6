"""Reading the small text files by which Linux shows its sensors: fast, and honest about failures.

An attribute is opened once and read again and again by `pread`, which is what the kernel's own
documentation asks for (Documentation/filesystems/sysfs.rst: a read at offset 0 fetches anew) and
costs a third of opening it each time.
"""

from __future__ import annotations

import fcntl
import math
import os
import resource
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path

from edgeagent_sdk.channel import Fault, Value

#: An attribute is at most one page; those with a number are far below this.
_MAX_BYTES = 256

#: Files are kept open under descriptors from here on. MQTT's network thread waits in select(2), which
#: knows only those below: thousands of sensors would leave it none to connect again with.
_KEPT_FROM = 1024


class Attribute:
    """One file with one number in it.

    It is opened again after every failure, and when another file has taken its name: what is gone
    must not go on giving its last number.

    Args:
        path: the file.
        scale: what one count is worth in the quantity's unit.
        convert: in the place of `scale`, for files that hold more than a number.
    """

    __slots__ = ("_convert", "_fd", "_kernels", "_scale", "path")

    def __init__(
        self, path: Path, scale: float = 1.0, convert: Callable[[bytes], float] | None = None
    ) -> None:
        self.path = path
        self._scale = scale
        self._convert = convert
        self._fd = -1
        self._kernels = False

    def read(self) -> Value:
        """The number in the quantity's unit, or a fault that says why there is none."""
        try:
            # The kernel's own files fail once they are gone; of any other one has to ask.
            if self._fd >= 0 and not self._kernels and os.fstat(self._fd).st_nlink == 0:
                self.close()
            raw = os.pread(self._fd, _MAX_BYTES, 0) if self._fd >= 0 else self._first()
            value = self._convert(raw) if self._convert else float(raw) * self._scale
        except OSError as error:
            self.close()
            return Fault(f"{self.path}: {reason(error)}")
        except ValueError:
            return Fault(f"{self.path}: {raw[:40]!r} is not a number")
        return value if math.isfinite(value) else Fault(f"{self.path}: {value} is not a number")

    def close(self) -> None:
        """Let go of the file; a later `read` opens it again."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _first(self) -> bytes:
        """Open, read, and keep the file if there is room for it."""
        fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            raw = os.pread(fd, _MAX_BYTES, 0)
            self._kernels = os.fstat(fd).st_dev == _sysfs()
            self._fd = _kept(fd)
        finally:
            os.close(fd)
        return raw


@cache
def _sysfs() -> int | None:
    """The device number of the kernel's own /sys."""
    try:
        return Path("/sys/kernel").stat().st_dev
    except OSError:
        return None


@cache
def _make_room() -> None:
    """Allow this process as many files as it may allow itself, once."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # the whole system may allow less by now
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _kept(fd: int) -> int:
    """The same file under a descriptor that may stay, or -1 if there is no room: then it is opened anew
    for each reading, which costs more but leaves nobody without."""
    _make_room()
    try:
        return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _KEPT_FROM)
    except OSError:
        return -1


def read_all(attributes: Iterable[Attribute]) -> list[Value]:
    """Each attribute's value, in order."""
    return [attribute.read() for attribute in attributes]


def text(path: Path, default: str = "") -> str:
    """What a file says, without the blanks around it; `default` if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(4096).decode("utf-8", "replace").strip()
    except OSError:
        return default


def number(path: Path) -> float | None:
    """The number in a file, or None."""
    try:
        return float(text(path))
    except ValueError:
        return None


def readable(path: Path) -> str:
    """Why a file cannot be read, without reading it (a driver may hang there); empty if it can."""
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError as error:
        return reason(error)
    return ""


def listing(directory: Path, pattern: str = "*") -> list[Path]:
    """The entries of a directory, numbers in their natural order; nothing if it is not there."""
    try:
        return sorted(directory.glob(pattern), key=lambda path: natural(path.name))
    except OSError:
        return []


def reason(error: OSError) -> str:
    """The kernel's words for a failure, e.g. ``permission denied``."""
    return (error.strerror or str(error)).lower()


def natural(name: str) -> list[tuple[int, str]]:
    """A sort key that puts ``temp10`` after ``temp2``."""
    parts: list[tuple[int, str]] = []
    digits = ""
    for char in f"{name}\0":
        if char.isdigit():
            digits += char
            continue
        if digits:
            parts.append((int(digits), ""))
            digits = ""
        parts.append((-1, char))
    return parts
