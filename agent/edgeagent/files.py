"""Files for users: written whole or not at all, and never over one that is there unless asked to."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from edgeagent_sdk.errors import EdgeError


@contextmanager
def whole_file(path: Path, *, replace: bool = False, lasting: bool = True) -> Iterator[TextIO]:
    """A text file that appears at `path` once the block has ended without an error.

    Args:
        lasting: it is on the disk by then. One that only matters until the machine restarts need not be.

    Raises:
        EdgeError: it exists and `replace` is not set, or it cannot be written.
    """
    if path.exists() and not replace:
        raise EdgeError(f"{path} exists already; --force replaces it")
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("w", encoding="utf-8") as file:
            yield file
            file.flush()
            if lasting:
                os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise EdgeError(f"{path}: cannot be written: {(error.strerror or str(error)).lower()}") from None
    finally:
        draft.unlink(missing_ok=True)


def replace_after(path: Path, content: bytes, before: threading.Thread | None) -> None:
    """Put `content` onto the disk at `path`, once an earlier writer has ended; for a thread of its own.

    A disk that takes nothing is passed over: it costs at most what a power cut would.
    """
    if before:
        before.join()
    draft = path.with_name(f"{path.name}.new")
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError:
        return
