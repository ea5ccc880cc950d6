"""What a board's flash chip holds when the board is switched on."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

_SECTOR_BYTES: Final = 4096


def program(built: Path, flash: Path) -> None:
    """Bring an image that was built anew into a board's flash.

    Sectors that are erased in the image stay as they are in the flash: settings and energy.
    """
    made_from = flash.with_suffix(".made-from")
    image = built.read_bytes()
    digest = hashlib.sha256(image).hexdigest()
    if flash.exists() and made_from.exists() and made_from.read_text("ascii") == digest:
        return
    before = flash.read_bytes() if flash.exists() else image
    flash.write_bytes(b"".join(_sector(image, before, at) for at in range(0, len(image), _SECTOR_BYTES)))
    made_from.write_text(digest, "ascii")


def _sector(image: bytes, before: bytes, at: int) -> bytes:
    new = image[at : at + _SECTOR_BYTES]
    return new if new.strip(b"\xff") else before[at : at + _SECTOR_BYTES]
