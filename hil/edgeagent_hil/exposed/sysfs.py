"""A server of the twin as a live ``/sys`` whose limits obey writes; `linux` says which files there are.

Everything lies under a directory that stands for ``/``; an agent reads it with that as its `host_root`. A
kernel refuses a bad write with EINVAL; a file cannot, so what it held before is put back at the next pass.
A limit out of range is clamped, as kernels do, and the file then says so.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final, Self

from edgeagent_hil.exposed.cputimes import CpuTimes
from edgeagent_hil.exposed.linux import Limit, Now, limits, numbers, texts
from edgeagent_hil.twin import Site, SiteInputs, SiteOutputs, SiteState
from edgeagent_sdk.errors import EdgeError

#: A number is written over the one before it in one go and at this width: nobody reads half of each.
_WIDTH: Final = 24

_STAT: Final = "proc/stat"

#: A writer empties a file first, and has long written by then.
_WRITING_S: Final = 2.0


class SysfsTree:
    """One server of a site as files.

    Args:
        root: directory that stands for ``/``; made if it is not there.
        server: which one.
        under: only what lies under this folder follows and obeys, e.g. ``sys/class/powercap``; many servers
            at ten times a second are a lot of files.

    Raises:
        EdgeError: the directory cannot be written.
    """

    def __init__(self, root: Path, site: Site, server: int = 0, *, under: str = "") -> None:
        parts = site.servers.kind_of(server).components
        self._root, self._server = root, server
        self._limits = [limit for limit in limits(parts) if limit.path.startswith(under)]
        self._held = {limit.path: limit.most for limit in self._limits}
        #: Since when the files of limits are empty.
        self._empty_s: dict[str, float] = {}
        self._times = CpuTimes(parts, server)
        self._files = ExitStack()
        try:
            for path, text in texts(parts):
                self._write(path, text)
            for limit in self._limits:
                self._write(limit.path, limit.spelled(limit.most))
            shown = [number for number in numbers(site, server) if number.path.startswith(under)]
            self._numbers = [(self._open(number.path), number) for number in shown]
            self._stat = self._open(_STAT) if _STAT.startswith(under) else None
        except OSError as error:
            self.close()
            raise EdgeError(f"{error.filename}: {(error.strerror or str(error)).lower()}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the files; they stay, and nothing follows or obeys any more."""
        self._files.close()

    def steer(self, inputs: SiteInputs) -> SiteInputs:
        """`inputs` with the limits that the files hold for this server."""
        changed = {
            name: getattr(inputs.servers, name).copy() for name in {limit.quantity for limit in self._limits}
        }
        for limit in self._limits:
            changed[limit.quantity][limit.part, self._server] = self._read(limit)
        return replace(inputs, servers=replace(inputs.servers, **changed))

    def show(self, state: SiteState, outputs: SiteOutputs) -> None:
        """Write what the server does now."""
        now = Now(state, outputs)
        for fd, number in self._numbers:
            os.pwrite(fd, str(round(number.value(now))).ljust(_WIDTH - 1).encode() + b"\n", 0)
        if self._stat is not None:
            os.pwrite(self._stat, self._times.text(now).encode(), 0)

    def _read(self, limit: Limit) -> float:
        """The limit that a file holds, in SI units; a file that somebody is about to write holds the last.

        One that stays empty gets that back: whoever was about to was killed, and a kernel's is never empty.
        """
        held = self._held[limit.path]
        try:
            text = (self._root / limit.path).read_bytes().strip()
        except OSError:
            return held
        if not text:
            now_s = time.monotonic()
            if now_s - self._empty_s.setdefault(limit.path, now_s) > _WRITING_S:
                self._write(limit.path, limit.spelled(held))
            return held
        self._empty_s.pop(limit.path, None)
        with suppress(ValueError):
            held = min(max(int(text) / limit.scale, limit.least), limit.most)
        if text.decode("ascii", "replace") != limit.spelled(held):
            self._write(limit.path, limit.spelled(held))
        self._held[limit.path] = held
        return held

    def _write(self, name: str, text: str) -> None:
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n", "ascii")

    def _open(self, name: str) -> int:
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        self._files.callback(os.close, fd)
        return fd
