"""A firmware image as it lies in a file: what it says about itself, and whether it is whole.

The format is MCUboot's, as imgtool writes it: a header, the program, and fields behind it, of which the
first group belongs to what is signed. Whether the signature is right, the node alone decides: it has the
key. Source: MCUboot, docs/design.md, "Image format".
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from edgeagent_sdk.errors import EdgeError
from edgeagent_sdk.nodemap import Board

#: What a node has room for, and the field that names the board: as in the firmware's layout.h.
MAX_BYTES: Final = 0x70000
BOARD_FIELD: Final = 0x00A0

_MAGIC, _FIELDS, _PROTECTED_FIELDS = 0x96F3B83D, 0x6907, 0x6908
_DIGEST_FIELD, _SIGNATURE_FIELD = 0x12, 0x24
_HEADER = struct.Struct("<4x4xHHI4xBBHI4x")
_FIELD = struct.Struct("<HH")


#: Major, minor, patch.
Version = tuple[int, int, int]


class Image(NamedTuple):
    """An image that is whole. `digest`: SHA-512 of what is signed, by which a node knows it."""

    data: bytes
    version: Version
    board: int
    digest: bytes

    @property
    def version_text(self) -> str:
        """As people write it."""
        return ".".join(map(str, self.version))


def load_image(path: Path) -> Image:
    """Read an image.

    Raises:
        EdgeError: it cannot be read, is no image, is damaged or not signed, or too large for a node.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise EdgeError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    if len(data) < _HEADER.size or struct.unpack_from("<I", data)[0] != _MAGIC:
        raise EdgeError(f"{path}: is no firmware image; take the signed one, made by firmware/tools/image.py")
    if len(data) > MAX_BYTES:
        raise EdgeError(f"{path}: {len(data)} bytes are too many; a node has room for {MAX_BYTES}")
    try:
        return _parse(data)
    except (struct.error, KeyError, ValueError):
        raise EdgeError(f"{path}: is damaged, or not signed; build or fetch it again") from None


def _parse(data: bytes) -> Image:
    """Raises struct.error or KeyError for what is missing, ValueError for what is wrong."""
    header_bytes, protected_bytes, body_bytes, major, minor, revision, _ = _HEADER.unpack_from(data)
    signed_bytes = header_bytes + body_bytes + protected_bytes
    protected = dict(_fields(data, signed_bytes - protected_bytes, _PROTECTED_FIELDS))
    fields = dict(_fields(data, signed_bytes, _FIELDS))
    digest = hashlib.sha512(data[:signed_bytes]).digest()
    if fields[_DIGEST_FIELD] != digest or not fields[_SIGNATURE_FIELD]:
        raise ValueError
    board = int.from_bytes(protected[BOARD_FIELD], "little")
    return Image(data, (major, minor, revision), board, digest)


def _fields(data: bytes, start: int, magic: int) -> Iterator[tuple[int, bytes]]:
    """Type and contents of each field of a group."""
    found, length = _FIELD.unpack_from(data, start)
    at, end = start + _FIELD.size, start + length
    if found != magic or end > len(data):
        raise ValueError
    while at < end:
        kind, size = _FIELD.unpack_from(data, at)
        at += _FIELD.size + size
        if at > end:
            raise ValueError
        yield kind, data[at - size : at]


def board_name(board: int) -> str:
    """A board's name, or its number if it is none of ours."""
    return next((known.name.lower() for known in Board if known == board), f"number {board}")
