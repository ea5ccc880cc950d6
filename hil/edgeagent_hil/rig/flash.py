"""What a board's flash chip holds when the board is switched on."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Final

from edgeagent_sdk.errors import EdgeError

_SECTOR_BYTES: Final = 4096


def program(built: Path, flash: Path) -> None:
    """Bring an image that was built anew into a board's flash, whole or not at all.

    Sectors that are erased in the image stay as they are in the flash: settings and energy.

    Raises:
        EdgeError: a file cannot be read or written; the flash is then as it was.
    """
    made_from = flash.with_suffix(".made-from")
    try:
        image = built.read_bytes()
        digest = hashlib.sha256(image).hexdigest().encode("ascii")
        if flash.exists() and made_from.exists() and made_from.read_bytes() == digest:
            return
        before = flash.read_bytes() if flash.exists() else image
        _replace(flash, b"".join(_sector(image, before, at) for at in range(0, len(image), _SECTOR_BYTES)))
        _replace(made_from, digest)
    except OSError as error:
        raise EdgeError(
            f"{flash}: the node's flash cannot be written: {(error.strerror or str(error)).lower()}; "
            "free the disk, or give another --state-dir"
        ) from None


def _replace(path: Path, data: bytes) -> None:
    """What is there stays until all of the new is on the disk."""
    draft = path.with_name(f"{path.name}.new")
    try:
        with draft.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _sector(image: bytes, before: bytes, at: int) -> bytes:
    new = image[at : at + _SECTOR_BYTES]
    return new if new.strip(b"\xff") else before[at : at + _SECTOR_BYTES]
