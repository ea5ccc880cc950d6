"""The path at which a terminal of ours appears, as an adapter's does at `/dev/serial/by-id/…`."""

from __future__ import annotations

import hashlib
import os
import socket
from pathlib import Path
from typing import Final

from edgeagent_sdk.errors import EdgeError

#: Where the kernel shows pseudo-terminals. Their numbers are used again: that one lives does not tell
#: whether it is still the one that a link was made for.
_TERMINALS: Final = Path("/dev/pts")

_REMEDY: Final = "give another path for the port"


class PortLink:
    """A symbolic link from `path` to `terminal`, until it is removed.

    One that somebody else left behind, killed, is replaced; what is no such link stays.

    Raises:
        EdgeError: another rig holds the path, something else is there, or no link can be made there.
    """

    def __init__(self, path: Path, terminal: str) -> None:
        self._path, self._terminal = path, terminal
        self._held = _hold(path)
        try:
            if _left_behind(path):
                path.unlink()
            path.symlink_to(terminal)  # never over something that is there
        except OSError as error:
            self._held.close()
            raise EdgeError(f"{path}: {(error.strerror or str(error)).lower()}; {_REMEDY}") from None
        except EdgeError:
            self._held.close()
            raise

    def remove(self) -> None:
        """Remove it, unless something else has taken its place meanwhile."""
        if _target(self._path) == self._terminal:
            self._path.unlink(missing_ok=True)
        self._held.close()


def _hold(path: Path) -> socket.socket:
    """Hold a path against all other rigs of this machine, until it is closed or this process ends.

    A name in the kernel (unix(7), abstract sockets), for a lock file would stay behind.
    """
    place = Path(os.path.realpath(path.parent)) / path.name
    held = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        held.bind(b"\0edgeagent-rig-" + hashlib.sha256(os.fsencode(place)).digest())
    except OSError:
        held.close()
        raise EdgeError(f"{path}: another rig's port is there; stop that one, or {_REMEDY}") from None
    return held


def _left_behind(path: Path) -> bool:
    """Whether a link of a rig that was killed is there. Raises EdgeError if something else is."""
    target = _target(path)
    if not target and not os.path.lexists(path):
        return False
    if Path(target).parent != _TERMINALS:
        what = f"a link to {target}" if target else "a directory" if path.is_dir() else "a file"
        raise EdgeError(f"{path}: {what} is there, which no rig has made; {_REMEDY}")
    return True


def _target(path: Path) -> str:
    """Where a link leads; empty if none is there."""
    try:
        return str(path.readlink())
    except OSError:
        return ""
