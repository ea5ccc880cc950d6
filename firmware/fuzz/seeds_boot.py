"""Where fuzzing the boot loader begins: an update as a client makes it, as lines, packets and an image.

python fuzz/seeds_boot.py DIRECTORY
"""

from __future__ import annotations

import struct
import sys
from itertools import count
from pathlib import Path
from typing import Any

import cbor2
import smp.packet

#: The first byte says which way the rest goes, as in fuzz_boot.c.
_LINE, _PACKETS, _IMAGE = b"\x00", b"\x01", b"\x02"

_READ, _WRITE = 0, 2


def image() -> bytes:
    """What `fake_image` of the C tests makes, but for its digest."""
    header = struct.pack("<IIHHIIBBHI4x", 0x96F3B83D, 0x10000, 0x200, 10, 64, 0x20, 2, 0, 0, 0)
    board = struct.pack("<HHHHH", 0x6908, 10, 0x00A0, 2, 1)
    digest = struct.pack("<HHHH64x", 0x6907, 140, 0x12, 64)
    signature = struct.pack("<HH", 0x24, 64) + 64 * b"\x5a"
    return header.ljust(0x200, b"\0") + bytes(64) + board + digest + signature


_numbers = count()


def packet(operation: int, group: int, command: int, **arguments: Any) -> bytes:
    """An SMP request."""
    body = cbor2.dumps(arguments)
    return struct.pack("!BBHHBB", operation, 0, len(body), group, next(_numbers), command) + body


def update() -> list[bytes]:
    """The requests of an update."""
    data = image()
    return [
        packet(_WRITE, 0, 0, d="hallo"),
        packet(_READ, 0, 6),
        packet(_READ, 1, 0),
        packet(_WRITE, 1, 1, off=0, len=len(data), image=0, sha=bytes(32), upgrade=False, data=data[:600]),
        packet(_WRITE, 1, 1, off=600, data=data[600:]),
        packet(_WRITE, 1, 0, hash=bytes(64), confirm=False),
        packet(_WRITE, 0, 5),
    ]


def seeds() -> dict[str, bytes]:
    """File name → contents."""
    requests = update()
    lines = [b"".join(smp.packet.encode(request)) for request in requests]
    made = {"update": _PACKETS + b"".join(requests), "image": _IMAGE + image()}
    made |= {f"packet{n}": _PACKETS + request for n, request in enumerate(requests)}
    return made | {f"line{n}": _LINE + line for n, line in enumerate(lines)}


def main() -> None:
    """Write them into the directory that is named."""
    directory = Path(sys.argv[1])
    for name, contents in seeds().items():
        (directory / name).write_bytes(contents)


if __name__ == "__main__":
    main()
