"""Images of the node's firmware for tests: other versions of it, and ones that are no good."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Final

_FIRMWARE: Final = Path(__file__).parents[2] / "firmware"
_TREE: Final = ("src", "ports", "tools", "image.mk", "link.ld")

#: The one that signed what the rig's boards run.
KEY: Final = Path(os.environ.get("KEY", _FIRMWARE / "build/keys/development.pem"))

#: What the rig's boards run, as an image.
STANDARD: Final = _FIRMWARE / "build/ast1030/app.signed.bin"

#: What is changed in a source: file below src, text, other text.
Edit = tuple[str, str, str]

#: A vector table, and a branch to itself: what hangs at once.
HANGS: Final = struct.pack("<IIH", 0x80800, 0x10209, 0xE7FE)

#: It works, but never says that it does.
MUTE: Final = ("main.c", "= image_confirm();", "= false;")


def version(number: str) -> list[Edit]:
    """The edits that make a version, such as ``9.1.2``; its parts are not those of the tree's."""
    parts = zip(("MAJOR", "MINOR", "PATCH"), number.split("."), strict=True)
    return [
        ("version.h", f"#define VERSION_{name}", f"#define VERSION_{name} {part} //") for name, part in parts
    ]


def build(home: Path, *edits: Edit) -> Path:
    """The program of a changed copy of the tree, made in `home`."""
    for name in _TREE:
        source = _FIRMWARE / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, home / name)
    for file, text, other in edits:
        path = home / "src" / file
        before = path.read_text("utf-8")
        assert text in before, f"{file} no longer has {text!r}"
        path.write_text(before.replace(text, other), "utf-8")
    made = home / "build"
    made.mkdir()
    shutil.copy(_FIRMWARE / "build/registers.h", made)
    settings = ["PORT=ast1030", "CROSS=arm-none-eabi-", f"BUILD={made}", f"PYTHON={sys.executable}"]
    subprocess.run(
        ["make", "-s", "-j2", "-f", "image.mk", *settings], cwd=home, check=True, stdout=subprocess.DEVNULL
    )
    return made / "ast1030/app.bin"


def sign(program: Path, image: Path, number: str, key: Path = KEY) -> Path:
    """Make the image of a program; where it is."""
    _tool("sign", program, image, "--key", key, "--version", number)
    return image


def new_key(path: Path) -> Path:
    """A key that no boot loader knows."""
    _tool("newkey", path)
    return path


def _tool(*arguments: str | Path) -> None:
    subprocess.run([sys.executable, _FIRMWARE / "tools/image.py", *arguments], check=True)
