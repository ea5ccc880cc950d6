"""Whether a model's file is there, and still the one that was loaded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from edgeagent_sdk.errors import DriverError


class Stamp(NamedTuple):
    """What changes with a file's content."""

    inode: int
    size_bytes: int
    modified_ns: int


def stamp(path: Path) -> Stamp | None:
    """Of the file; None if it is not there."""
    try:
        status = path.stat()
    except OSError:
        return None
    return Stamp(status.st_ino, status.st_size, status.st_mtime_ns)


def check(path: Path, retry_s: float) -> None:
    """See that the file can be read and is not empty. Raises DriverError, to try again after `retry_s`."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise DriverError(f"{path}: {(error.strerror or str(error)).lower()}", retry_s=retry_s) from None
    if not path.is_file():
        raise DriverError(f"{path}: not a file", retry_s=retry_s)
    if not os.access(path, os.R_OK):
        raise DriverError(f"{path}: permission denied", "let the agent's user read it", retry_s=retry_s)
    if not size:
        raise DriverError(f"{path}: is empty", retry_s=retry_s)
