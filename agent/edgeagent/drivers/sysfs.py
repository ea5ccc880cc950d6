"""Reading the small text files by which Linux shows its sensors: fast, and honest about failures.

An attribute is opened once and read again and again by `pread`, which is what the kernel's own
documentation asks for (Documentation/filesystems/sysfs.rst: a read at offset 0 fetches anew) and
costs a third of opening it each time.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from edgeagent_sdk.channel import Fault, Value

#: An attribute is at most one page; those with a number are far below this.
_MAX_BYTES = 256

_GONE = (errno.ENODEV, errno.ENOENT, errno.ENXIO, errno.ESTALE, errno.EBADF)


class Attribute:
    """One file with one number in it.

    Args:
        path: the file.
        scale: what one count is worth in the quantity's unit.
        convert: in the place of `scale`, for files that hold more than a number.
    """

    __slots__ = ("_convert", "_fd", "_scale", "path")

    def __init__(
        self, path: Path, scale: float = 1.0, convert: Callable[[bytes], float] | None = None
    ) -> None:
        self.path = path
        self._scale = scale
        self._convert = convert
        self._fd = -1

    def read(self) -> Value:
        """The number in the quantity's unit, or a fault that says why there is none."""
        try:
            if self._fd < 0:
                self._fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            raw = os.pread(self._fd, _MAX_BYTES, 0)
            return self._convert(raw) if self._convert else float(raw) * self._scale
        except OSError as error:
            return self._failed(error)
        except ValueError:
            return Fault(f"{self.path}: {raw[:40]!r} is not a number")

    def close(self) -> None:
        """Let go of the file; a later `read` opens it again."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _failed(self, error: OSError) -> Fault:
        # What is gone may come back under the same name, as another file.
        if error.errno in _GONE and self._fd >= 0:
            self.close()
        return Fault(f"{self.path}: {reason(error)}")


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
        return sorted(directory.glob(pattern), key=lambda path: _natural(path.name))
    except OSError:
        return []


def reason(error: OSError) -> str:
    """The kernel's words for a failure, e.g. ``permission denied``."""
    return (error.strerror or str(error)).lower()


def _natural(name: str) -> list[tuple[int, str]]:
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
