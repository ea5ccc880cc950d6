"""Sign an image, put it into a flash chip's contents, and give the boot loader its key.

    python tools/image.py sign build/ast1030/app.bin build/ast1030/app.signed.bin --key KEY --version 0.1.0
    python tools/image.py flash build/ast1030/app.signed.bin build/ast1030/flash.img
    python tools/image.py newkey KEY
    python tools/image.py key KEY build/boot/key.c

Images are in MCUboot's format, made by imgtool. Addresses and sizes are those of `src/layout.h`.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import sys
from pathlib import Path

from click import ClickException
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from imgtool.main import imgtool

from edgeagent_sdk.nodemap import Board

_LAYOUT = Path(__file__).parents[1] / "src" / "layout.h"
_DEFINE = re.compile(r"^#define (\w+) (0x[0-9A-Fa-f]+|\d+)u", re.MULTILINE)


class ImageError(Exception):
    """Cannot be done; the text says why."""


def layout() -> dict[str, int]:
    """Name → number, as the firmware is compiled with them."""
    return {name: int(value, 0) for name, value in _DEFINE.findall(_LAYOUT.read_text("utf-8"))}


def new_key(path: Path) -> None:
    """Make a private key that only its owner may read. Raises OSError, also if the file exists."""
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        file.write(pem)


def load_key(path: Path) -> Ed25519PrivateKey:
    """A private Ed25519 key in PEM, without a password. Raises ImageError."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise ImageError(f"{path}: cannot be read as a key: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ImageError(f"{path}: not an Ed25519 key; make one by: image.py newkey {path}")
    return key


def sign(source: Path, target: Path, key: Path | None, version: str, board: int = Board.AST1030) -> None:
    """Make an image of a program, `source`, which begins with its vector table.

    Its digest is SHA-512, which is signed by Ed25519 (RFC 8032); the board is in a protected field.
    Without a key it is not signed: that is for tests. Raises ImageError.
    """
    at = layout()
    options = {
        "--version": version,
        "--header-size": at["IMAGE_HEADER_BYTES"],
        "--load-addr": at["LOAD_AT"],
        # Room, too, for a trailer that this boot loader does not need.
        "--slot-size": 2 * at["SLOT_BYTES"],
        "--sha": 512,
    }
    if key:
        load_key(key)
        options["--key"] = key
    words = [word for pair in options.items() for word in pair]
    words += ["--pad-header", "--custom-tlv", at["BOARD_TLV"], "0x" + int(board).to_bytes(2, "little").hex()]
    try:
        with contextlib.redirect_stdout(None):  # it tells what it does
            imgtool.main(["sign", *map(str, words), str(source), str(target)], standalone_mode=False)
    except (ClickException, OSError) as error:
        raise ImageError(f"{source}: {getattr(error, 'message', error)}") from error
    _check_size(target)


def _check_size(image: Path) -> None:
    room = layout()["SLOT_BYTES"]
    if image.stat().st_size > room:
        raise ImageError(f"{image}: {image.stat().st_size} bytes do not fit into a slot of {room}")


def flash(source: Path, target: Path) -> None:
    """The contents of a new flash chip, with an image in slot A. Raises ImageError."""
    at = layout()
    _check_size(source)
    data = source.read_bytes()
    chip = bytearray(b"\xff" * at["FLASH_BYTES"])
    chip[at["SLOT_A_AT"] : at["SLOT_A_AT"] + len(data)] = data
    target.write_bytes(chip)


def key_source(key: Ed25519PrivateKey) -> str:
    """C: the public key, 32 bytes."""
    public = key.public_key().public_bytes_raw()
    rows = [", ".join(f"0x{byte:02X}" for byte in public[i : i + 8]) for i in range(0, len(public), 8)]
    body = "".join(f"    {row},\n" for row in rows)
    return f'#include "key.h"\n\nconst uint8_t update_key[KEY_BYTES] = {{\n{body}}};\n'


def _write_if_other(path: Path, text: str) -> None:
    """A file that stays as it is keeps its time, so that nothing is made from it again."""
    if not path.exists() or path.read_text("utf-8") != text:
        path.write_text(text, "utf-8")


def _run(options: argparse.Namespace) -> None:
    match options.what:
        case "sign":
            sign(options.source, options.target, options.key, options.version)
        case "flash":
            flash(options.source, options.target)
        case "newkey":
            new_key(options.target)
        case "key":
            _write_if_other(options.target, key_source(load_key(options.source)))


def main() -> int:
    """0, or 1 with a line that says why not."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="what", required=True)
    for name, help_text in (
        ("sign", "make an image of a program"),
        ("flash", "the contents of a new flash chip, with an image in slot A"),
        ("newkey", "a new private key"),
        ("key", "the public key as C"),
    ):
        command = commands.add_parser(name, help=help_text)
        if name != "newkey":
            command.add_argument("source", type=Path)
        command.add_argument("target", type=Path)
        if name == "sign":
            command.add_argument("--key", type=Path, required=True)
            command.add_argument("--version", required=True, help="such as 1.2.3")
    options = parser.parse_args()
    try:
        _run(options)
    except (ImageError, OSError) as error:
        print(f"image: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
