"""An image file is taken whole and as its maker made it, or refused in words."""

from __future__ import annotations

import hashlib
import re
import struct
from pathlib import Path

import pytest

from edgeagent.drivers.node.imagefile import BOARD_FIELD, MAX_BYTES, Image, load_image
from edgeagent_sdk.errors import EdgeError

_LAYOUT = Path(__file__).parents[3] / "firmware/src/layout.h"


def make(program: bytes = b"program", board: int = 1, signature: bytes = 64 * b"s") -> bytes:
    """As imgtool does it."""
    protected = struct.pack("<HHHHH", 0x6908, 10, BOARD_FIELD, 2, board)
    header = struct.pack("<IIHHIIBBHI4x", 0x96F3B83D, 0x10000, 0x200, 10, len(program), 0x20, 1, 2, 3, 4)
    signed = header.ljust(0x200, b"\0") + program + protected
    digest = hashlib.sha512(signed).digest()
    fields = struct.pack("<HH", 0x12, 64) + digest + struct.pack("<HH", 0x24, len(signature)) + signature
    return signed + struct.pack("<HH", 0x6907, len(fields) + 4) + fields


def load(home: Path, data: bytes) -> Image:
    path = home / "image"
    path.write_bytes(data)
    return load_image(path)


def test_what_it_says_about_itself(tmp_path: Path) -> None:
    image = load(tmp_path, make(board=7))
    assert (image.version, image.version_text, image.board) == ((1, 2, 3), "1.2.3", 7)
    assert image.digest == hashlib.sha512(image.data[: 0x200 + 7 + 10]).digest()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is no firmware image"),
        (b"\x7fELF" + bytes(1000), "is no firmware image"),
        (make()[:31], "is no firmware image"),
        (make(bytes(MAX_BYTES)), "bytes are too many"),
        (make(signature=b""), "not signed"),
        (make()[:-1], "damaged"),
    ],
)
def test_refused(tmp_path: Path, data: bytes, says: str) -> None:
    with pytest.raises(EdgeError, match=says):
        load(tmp_path, data)


def test_shortened_or_changed_anywhere(tmp_path: Path) -> None:
    whole = make()
    for at in range(4, len(whole) - 64, 3):  # the signature itself only the node can judge
        for data in (whole[:at], whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]):
            with pytest.raises(EdgeError):
                load(tmp_path, data)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match="no such file"):
        load_image(tmp_path / "absent")


def test_the_firmware_has_the_same_layout() -> None:
    defined = dict(re.findall(r"^#define (\w+) (\w+)u", _LAYOUT.read_text("utf-8"), re.MULTILINE))
    assert (int(defined["SLOT_BYTES"], 0), int(defined["BOARD_TLV"], 0)) == (MAX_BYTES, BOARD_FIELD)
