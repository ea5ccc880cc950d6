"""What actuators were found at before their first change, on the disk.

One file for each device, written and read on the device's own thread alone, so that a disk that hangs
holds up that device and neither another nor the control. A file that cannot be written or understood
stops all changes of its device: nothing is set that could not be undone.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import msgspec

from edgeagent.files import whole_file
from edgeagent.leases import Key
from edgeagent.report import Report
from edgeagent_sdk.errors import DriverError, EdgeError
from edgeagent_sdk.messages import Severity


class Original(msgspec.Struct, frozen=True):
    """What one actuator was found at, and what tells our hand from another's.

    Args:
        value: as found, in the actuator's unit.
        ours: what we have made of it since, the newest last; never empty on the disk.
        boot: the kernel's boot id then.
    """

    value: float
    ours: Annotated[list[float], msgspec.Meta(min_length=1)]
    boot: str


Rows = dict[str, Original]


class Originals:
    """The originals of all devices. `keys` and `in` are for any thread; all else for the device's own.

    Args:
        directory: where the files are.
        boot: the kernel's boot id now; a setting of another boot that the kernel kept has gone.
    """

    def __init__(self, directory: Path, boot: str, report: Report) -> None:
        self.boot = boot
        self._directory, self._report = directory, report
        self._of: dict[str, Rows] = {}
        self._damaged: set[str] = set()

    def __contains__(self, key: Key) -> bool:
        return key.actuator in self._of.get(key.device, ())

    def keys(self) -> list[Key]:
        """All that is to be given back."""
        return [Key(device, name) for device, rows in list(self._of.items()) for name in rows]

    def load(self, device: str) -> list[Key]:
        """What an earlier run of the agent has left to be given back; nothing when asked again."""
        if device in self._of:
            return []
        self._of[device] = self._read(device)
        return [Key(device, name) for name in self._of[device]]

    def get(self, key: Key) -> Original | None:
        """The original of an actuator that has been changed."""
        return self._of.get(key.device, {}).get(key.actuator)

    def put(self, key: Key, original: Original) -> None:
        """Have it on the disk. Raises DriverError: then the actuator must not be changed."""
        file = self._file(key.device)
        if key.device in self._damaged and file.exists():
            raise DriverError(_damaged(file))
        self._damaged.discard(key.device)
        rows = self._of.get(key.device, {}) | {key.actuator: original}
        try:
            self._write(key.device, rows)
        except EdgeError as error:
            raise DriverError(f"its original value cannot be saved first: {error}") from None
        self._of[key.device] = rows

    def forget(self, key: Key) -> None:
        """It is not to be given back any more."""
        rows = {name: row for name, row in self._of.get(key.device, {}).items() if name != key.actuator}
        self._of[key.device] = rows
        try:
            self._write(key.device, rows)
        except EdgeError:
            pass  # reported; at the worst it is given back a second time, if it is at one of our values then

    def _read(self, device: str) -> Rows:
        file = self._file(device)
        try:
            return msgspec.json.decode(file.read_bytes(), type=Rows)
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            self._damaged.add(device)
            self._report("originals-damaged", f"{_damaged(file)} ({error})", Severity.ERROR, device=device)
            return {}

    def _write(self, device: str, rows: Rows) -> None:
        file = self._file(device)
        try:
            if rows:
                with whole_file(file, replace=True) as draft:
                    draft.write(msgspec.json.encode(rows).decode())
            else:
                file.unlink(missing_ok=True)
            _sync(self._directory)
        except (OSError, EdgeError) as error:
            words = str(error) if isinstance(error, EdgeError) else f"{file}: {error.strerror or error}"
            self._report("originals-unsaved", words, Severity.ERROR, device=device)
            raise EdgeError(words) from None

    def _file(self, device: str) -> Path:
        return self._directory / f"originals-{device}.json"


def _damaged(file: Path) -> str:
    return (
        f"{file} is damaged: what to give back is not known, and nothing is changed; "
        "set the actuators as they should be, then delete the file"
    )


def _sync(directory: Path) -> None:
    """Make sure that a file's new name, or its absence, outlives a power cut."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
