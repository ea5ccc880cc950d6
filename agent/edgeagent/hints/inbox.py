"""The socket that hints come in by: a datagram, and which process has sent it by the kernel's own word."""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
from pathlib import Path
from typing import Final

from edgeagent_sdk.errors import EdgeError
from edgeagent_sdk.hintrecord import MAX_BYTES

#: struct ucred of unix(7): process, user and group of the sender.
_UCRED: Final = struct.Struct("iII")
_ANCILLARY_BYTES: Final = socket.CMSG_SPACE(_UCRED.size)

#: sun_path of unix(7) with its final zero.
_PATH_MAX_BYTES: Final = 108


class Inbox:
    """A socket at `path`, which others may write to as far as `mode` lets them.

    Raises:
        EdgeError: it cannot be there, or another agent has it.
    """

    def __init__(self, path: Path, mode: int) -> None:
        self._path = path
        if len(os.fsencode(path)) >= _PATH_MAX_BYTES - len(".new"):
            raise EdgeError(f"{path}: too long for a socket's path; set hints.socket to a shorter one")
        if _answers(path):
            raise EdgeError(f"{path}: another agent has it; give each its own hints.socket")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._coming = select.poll()
        self._coming.register(self._socket, select.POLLIN)
        try:
            self._bind(mode)
        except OSError as error:
            self._socket.close()
            raise EdgeError(f"{path}: {(error.strerror or str(error)).lower()}; set hints.socket") from None

    def _bind(self, mode: int) -> None:
        """The path names a socket that is ready, with its mode, or none: nobody meets it half made."""
        draft = self._path.with_name(f"{self._path.name}.new")
        draft.unlink(missing_ok=True)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.bind(str(draft))
        draft.chmod(mode)
        self._inode = draft.stat().st_ino
        draft.replace(self._path)

    def receive(self, timeout_s: float = 0.0) -> tuple[bytes, int] | None:
        """The next datagram and its sender's process, 0 if that is not known; None if none comes in time."""
        try:
            datagram, ancillary, _, _ = self._socket.recvmsg(MAX_BYTES + 1, _ANCILLARY_BYTES)
        except BlockingIOError:
            return self.receive() if timeout_s and self._coming.poll(timeout_s * 1e3) else None
        for level, kind, data in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
                return datagram, _UCRED.unpack(data)[0]
        return datagram, 0

    def close(self) -> None:
        """Take it away, unless another has come in its place."""
        self._socket.close()
        try:
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()
        except OSError:
            pass


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        return probe.connect_ex(str(path)) not in (errno.ENOENT, errno.ECONNREFUSED, errno.ENOTSOCK)
