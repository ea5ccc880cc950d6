"""The tests' own libnvidia-ml.so.1, compiled once, loaded so that nvidia-ml-py finds it by its name."""

from __future__ import annotations

import ctypes
import os
import subprocess
import tempfile
from functools import cache
from pathlib import Path

_SOURCE = Path(__file__).with_name("fake_nvml.c")
_NAME = "libnvidia-ml.so.1"

FULL = "GPU-00000000-1111-2222-3333-444444444444"
PARENT = "GPU-55555555-1111-2222-3333-444444444444"
INSTANCE = "MIG-66666666-1111-2222-3333-444444444444"


class Fake:
    """What the library answers; all of it as at the start after `reset`."""

    def __init__(self, path: Path) -> None:
        self._library = ctypes.CDLL(str(path), mode=os.RTLD_GLOBAL)
        self._library.fake_set.argtypes = [ctypes.c_char_p, ctypes.c_longlong]
        self._library.fake_get.argtypes = [ctypes.c_char_p, ctypes.c_longlong]
        self._library.fake_get.restype = ctypes.c_longlong

    def reset(self) -> None:
        self._library.fake_reset()

    def set(self, **numbers: int) -> None:
        """Have it answer with these."""
        for name, value in numbers.items():
            self._library.fake_set(name.encode(), value)

    def get(self, name: str) -> int:
        """What was set, by a test or through NVML; -1 if nothing was."""
        return int(self._library.fake_get(name.encode(), -1))

    def fail(self, function: str, code: int) -> None:
        """Have a function return this error; ``*`` is every function, 0 no error."""
        self._library.fake_fail(function.encode(), code)

    def share(self, file: Path | None) -> None:
        """Keep all of it in this file, with whoever runs in `environment` of it; None: for us alone."""
        if self._library.fake_share(str(file).encode() if file else None):
            raise OSError(f"{file} cannot be shared")

    @property
    def users(self) -> int:
        """How often it was initialized and not yet shut down."""
        return int(self._library.fake_users())


def compiled(directory: Path) -> Path:
    """The library in `directory`, for a process that finds it by LD_LIBRARY_PATH."""
    path = directory / _NAME
    command = ["gcc", "-shared", "-fPIC", "-Wall", "-Wextra", f"-Wl,-soname,{_NAME}"]
    command += ["-o", str(path), str(_SOURCE)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return path


def environment(directory: Path, state: Path) -> dict[str, str]:
    """Of a process that finds the library in `directory`, and shares what it answers in `state`."""
    return {"LD_LIBRARY_PATH": str(directory), "FAKE_NVML_STATE": str(state)}


@cache
def loaded() -> Fake:
    """The library in this process: the loader gives it to whoever asks for its name from now on."""
    with tempfile.TemporaryDirectory() as directory:
        return Fake(compiled(Path(directory)))
