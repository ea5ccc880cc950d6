"""Where things are in a program: addresses from the symbols of its ELF file."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

from edgeagent_sdk.errors import EdgeError

_NM: Final = "arm-none-eabi-nm"


def address(elf: Path, name: str) -> int:
    """The address of a function or a variable; even, also for Thumb code. Raises EdgeError."""
    if shutil.which(_NM) is None:
        raise EdgeError(f"{_NM} is not installed: apt-get install binutils-arm-none-eabi")
    listed = subprocess.run([_NM, str(elf)], capture_output=True, text=True, check=True).stdout
    for line in listed.splitlines():
        value, _, symbol = line.rpartition(" ")
        if symbol == name:
            return int(value.split()[0], 16) & ~1
    raise EdgeError(f"{elf}: no symbol {name!r}")
