"""What actuators were found at before their first change, on the disk.

One file for each device, written and read on the device's own thread alone, so that a disk that hangs
holds up that device and neither another nor the control. A file that cannot be written or understood,
or that is of another device, stops all changes of its device: nothing is set that could not be undone.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import msgspec

from edgeagent.files import whole_file
from edgeagent.fingerprint import Fingerprint
from edgeagent.leases import Key
from edgeagent.report import Report
from edgeagent_sdk.errors import DriverError, EdgeError
from edgeagent_sdk.messages import Severity


class Original(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one actuator was found at, and what tells our hand from another's.

    Args:
        value: as found, in the actuator's unit.
        ours: what we have made of it since, the newest last; never empty on the disk.
        boot: the kernel's boot id then.
        driven: it is set too often for each value to be written: all between these two may be ours.
    """

    value: float
    ours: Annotated[list[float], msgspec.Meta(min_length=1)]
    boot: str
    driven: tuple[float, float] | None = None


_NOBODY = Fingerprint("", "")

_BY_HAND = "set its actuators as they should be, then delete the file"

Rows = dict[str, Original]


class Kept(msgspec.Struct, frozen=True):
    """What a file holds.

    Args:
        device, identity: the fingerprint of the device whose actuators they are.
        actuators: in the order of their first change.
    """

    device: str
    actuators: Rows
    identity: str = ""


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
        #: Driven ones of which it is known, without the disk, what we have made of them last.
        self._noted: set[Key] = set()
        #: Fingerprints of the devices as they are now.
        self._now: dict[str, Fingerprint] = {}
        #: Devices whose file is not to be touched, and why.
        self._barred: dict[str, str] = {}
        #: Devices whose file could not be written the last time, which has been told.
        self._unsaved: set[str] = set()

    def __contains__(self, key: Key) -> bool:
        return key.actuator in self._of.get(key.device, ())

    def keys(self) -> list[Key]:
        """All that is to be given back, of each device the last changed first: limits may lean on others."""
        return [Key(device, name) for device, rows in list(self._of.items()) for name in reversed(rows)]

    def load(self, device: str, now: Fingerprint) -> list[Key]:
        """What an earlier run of the agent has left to be given back; nothing when asked again.

        Args:
            now: the fingerprint of the device that has been opened; what was another's is not given to it.
        """
        before, self._now[device] = self.now(device), now
        if before.fits(now):
            return []
        self._of[device] = self._read(device)
        return [Key(device, name) for name in reversed(self._of[device])]

    def tell_orphans(self, devices: Collection[str]) -> None:
        """Report the files whose device is none of `devices`; for any thread."""
        for file in sorted(self._directory.glob(_file_name("*"))):
            device = file.stem.removeprefix("originals-")
            if device not in devices:
                words = (
                    f"{file}: no device {device!r} is configured, and what it was found at is not given "
                    f"back; configure it under that name again, or {_BY_HAND}"
                )
                self._report("originals-orphaned", words, Severity.ERROR, device=device)

    def now(self, device: str) -> Fingerprint:
        """The fingerprint of the device that bears this name now; empty before it is open."""
        return self._now.get(device, _NOBODY)

    def get(self, key: Key, of: Fingerprint) -> Original | None:
        """The original of an actuator that has been changed, if it is one of the device `of`."""
        return self._of.get(key.device, {}).get(key.actuator) if of.fits(self.now(key.device)) else None

    def put(self, key: Key, original: Original, of: Fingerprint, *, must: bool = True) -> None:
        """Have it on the disk; without `must`, in mind will do.

        Raises:
            DriverError: the actuator must not be changed.
        """
        if not of.fits(self.now(key.device)):
            raise DriverError(f"{key.device} has become another device meanwhile")
        rows = self._of.get(key.device, {}) | {key.actuator: original}
        try:
            self._save(key.device, rows)
        except DriverError:
            if must:
                raise
        self._of[key.device] = rows

    def _save(self, device: str, rows: Rows) -> None:
        if device in self._barred and self._file(device).exists():
            raise DriverError(self._barred[device])
        self._barred.pop(device, None)
        try:
            self._write(device, rows)
        except EdgeError as error:
            raise DriverError(f"its original value cannot be saved first: {error}") from None

    def note(self, key: Key, ours: list[float], of: Fingerprint) -> None:
        """What we have made of one that is driven; not for the disk, which knows its limits."""
        original = self.get(key, of)
        if original and original.driven:
            changed = Original(original.value, ours, original.boot, original.driven)
            self._of[key.device] = self._of[key.device] | {key.actuator: changed}
            self._noted.add(key)

    def knows(self, key: Key) -> bool:
        """Whether what we have made of one that is driven is known more closely than by its limits."""
        return key in self._noted

    def forget(self, key: Key) -> None:
        """It is not to be given back any more."""
        self._noted.discard(key)
        if key not in self:
            return  # the file is another device's by now
        rows = {name: row for name, row in self._of.get(key.device, {}).items() if name != key.actuator}
        self._of[key.device] = rows
        try:
            self._save(key.device, rows)
        except DriverError:
            pass  # reported; at the worst it is given back a second time, if it is at one of our values then

    def _read(self, device: str) -> Rows:
        file = self._file(device)
        self._barred.pop(device, None)
        try:
            kept = msgspec.json.decode(file.read_bytes(), type=Kept)
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            self._bar(device, "originals-damaged", _damaged(file), f" ({error})")
            return {}
        now = self._now[device]
        if Fingerprint(kept.device, kept.identity).fits(now):
            return kept.actuators
        if kept.device == now.device and not now.identity:
            self._bar(device, "originals-withheld", _withheld(file, device, kept))
        else:
            self._bar(device, "originals-foreign", _foreign(file, device, kept, now))
        return {}

    def _bar(self, device: str, kind: str, why: str, more: str = "") -> None:
        self._barred[device] = why
        self._report(kind, f"{why}{more}", Severity.ERROR, device=device)

    def _write(self, device: str, rows: Rows) -> None:
        file = self._file(device)
        try:
            if rows:
                with whole_file(file, replace=True) as draft:
                    now = self._now[device]
                    draft.write(msgspec.json.encode(Kept(now.device, rows, now.identity)).decode())
            else:
                file.unlink(missing_ok=True)
            _sync(self._directory)
        except (OSError, EdgeError) as error:
            words = str(error) if isinstance(error, EdgeError) else f"{file}: {error.strerror or error}"
            if device not in self._unsaved:
                remedy = f"free some room there, or make {self._directory} writable"
                self._report("originals-unsaved", f"{words}; {remedy}", Severity.ERROR, device=device)
            self._unsaved.add(device)
            raise EdgeError(words) from None
        self._unsaved.discard(device)

    def _file(self, device: str) -> Path:
        return self._directory / _file_name(device)


def _file_name(device: str) -> str:
    return f"originals-{device}.json"


def _damaged(file: Path) -> str:
    return f"{file} is damaged: what to give back is not known, and nothing is changed; {_BY_HAND}"


def _foreign(file: Path, device: str, kept: Kept, now: Fingerprint) -> str:
    who = f" (it calls itself {now.identity}, not {kept.identity})" if kept.identity and now.identity else ""
    return (
        f"{file} is of another device than {device} is now{who}: that one was left with {_left(kept)}, and "
        f"nothing is changed; configure {device} as it was to have it given back, or {_BY_HAND}"
    )


def _withheld(file: Path, device: str, kept: Kept) -> str:
    return (
        f"{file} is of the device that calls itself {kept.identity}, and {device} does not say now "
        f"who it is; that one was left with {_left(kept)}, and nothing is changed until it says so again, at "
        f"its next opening or the agent's next start; or {_BY_HAND}"
    )


def _left(kept: Kept) -> str:
    rows = kept.actuators.items()
    return ", ".join(f"{name} at {row.ours[-1]:g} (found at {row.value:g})" for name, row in rows)


def _sync(directory: Path) -> None:
    """Make sure that a file's new name, or its absence, outlives a power cut."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
