"""A wall clock for one process that a test can set; its monotonic clock stays the real one."""

from __future__ import annotations

from pathlib import Path

import pytest


class FakeClock:
    """Give `environment` to a process, and set its clock whenever.

    Args:
        directory: where the file lies by which libfaketime is told the time.
        ahead_s: by how much the clock is ahead of the true one at first.
    """

    def __init__(self, directory: Path, ahead_s: int = 0) -> None:
        library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
        if library is None:
            pytest.fail("libfaketime is not installed; apt install faketime")
        self._file = directory / "faketime"
        self.set(ahead_s)
        self.environment = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, ahead_s: int) -> None:
        """Put the clock `ahead_s` ahead of the true one."""
        # At once: libfaketime ends the process that finds the file empty.
        whole = self._file.with_suffix(".new")
        whole.write_text(f"{ahead_s:+d}")
        whole.replace(self._file)
