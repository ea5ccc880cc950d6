"""What tells this installation from every other: a directory of its own, and an id in it."""

from __future__ import annotations

import fcntl
import os
import uuid
from pathlib import Path

from edgeagent_sdk.errors import EdgeError


class StateDir:
    """The agent's directory on disk, held by one process.

    Raises:
        EdgeError: it cannot be made or written, or another agent holds it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise EdgeError(
                f"state_dir {path}: {(error.strerror or str(error)).lower()}; "
                "make it writable for this user or set another state_dir"
            ) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise EdgeError(
                f"state_dir {path}: another agent runs with it; stop that one or set another state_dir"
            ) from None

    def instance(self, machine_id: Path = Path("/etc/machine-id")) -> str:
        """The id of this installation: kept over restarts, another on a cloned disk in another machine."""
        file = self.path / "instance"
        try:
            own = uuid.UUID(file.read_text("ascii").strip())
        except (OSError, ValueError):
            own = uuid.uuid4()
            try:
                file.write_text(f"{own}\n", "ascii")
            except OSError:
                pass  # a full disk: this id lives as long as the process
        try:
            machine = machine_id.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError):
            machine = ""
        return uuid.uuid5(own, machine).hex
