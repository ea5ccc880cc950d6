"""Which clock we have locked, kept where NVML keeps it from everybody: in a file of ours."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import msgspec

from edgeagent.files import whole_file
from edgeagent_sdk.errors import DriverError, EdgeError


class _Saved(msgspec.Struct):
    boot_id: str
    limit_mhz: int


class Lock:
    """The lock of one GPU's clocks, as far as it is ours; over a kill and a restart of the agent too.

    Args:
        path: the file; None to know it in this process only.
        boot_id: the kernel's: no lock outlives a restart of the machine.

    Attributes:
        limit_mhz: the highest clock of the lock; None without one.
    """

    def __init__(self, path: Path | None, boot_id: str) -> None:
        self._path, self._boot_id = path, boot_id
        self.limit_mhz = self._read()

    def keep(self, limit_mhz: int) -> None:
        """Know of a lock; to be called before it is taken. Raises DriverError: then it must not be."""
        if self._path:
            try:
                with whole_file(self._path, replace=True, lasting=False) as draft:
                    draft.write(msgspec.json.encode(_Saved(self._boot_id, limit_mhz)).decode())
            except EdgeError as error:
                raise DriverError(f"the lock of the clocks cannot be noted first: {error}") from None
        self.limit_mhz = limit_mhz

    def forget(self) -> None:
        """There is none any more. A file that cannot be removed has it taken away once more, at the worst."""
        self.limit_mhz = None
        if self._path:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)

    def _read(self) -> int | None:
        if self._path is None:
            return None
        try:
            saved = msgspec.json.decode(self._path.read_bytes(), type=_Saved)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return None
        return saved.limit_mhz if saved.boot_id == self._boot_id else None
