"""What models have learned, kept over restarts: every array that their objects hold, in one file."""

from __future__ import annotations

import io
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edgeagent.files import replace_after

#: How often it is written; what a crash or a power cut takes from a model is what it learned since.
SAVE_S: Final = 900.0

#: Another version of what is kept begins anew.
_VERSION: Final = 1

_OURS: Final = "edgeagent.models."


class StateFile:
    """Where a model rests.

    Args:
        path: the file; None to keep nothing.
        model: the object whose arrays are kept, and those of its parts; not what a class names in `derived`.
            A part with a method `restore` is told when its arrays are back.
        clock: UTC seconds.
    """

    def __init__(self, path: Path | None, model: Any, clock: Callable[[], float] = time.time) -> None:
        self._path, self._model, self._clock = path, model, clock
        self._written_s = time.monotonic()
        self._writer: threading.Thread | None = None

    def restore(self) -> float | None:
        """Put back what was learned; how long ago that was saved, in seconds, or None if there is nothing."""
        if self._path is None:
            return None
        places = {name: (part, key) for name, part, key in _places(self._model)}
        try:
            with np.load(self._path, allow_pickle=False) as file:
                saved = dict(file)
            version, saved_s = saved.pop("version"), float(saved.pop("saved_s"))
        except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile, zlib.error):
            return None  # the first run, or a damaged file: it learns from the beginning
        if version != _VERSION or saved.keys() != places.keys():
            return None
        if not all(_fits(saved[name], *place) for name, place in places.items()):
            return None
        for name, (part, key) in places.items():
            setattr(part, key, saved[name])
        for part in _parts(self._model):
            if hasattr(part, "restore"):
                part.restore()
        return max(self._clock() - saved_s, 0.0)

    def save(self, *, now: bool = False) -> None:
        """Write it if it is time, without waiting for the disk; with `now`, at once."""
        if self._path is None or not (now or time.monotonic() - self._written_s >= SAVE_S):
            return
        if self._writer and self._writer.is_alive() and not now:
            return  # the disk hangs
        self._written_s = time.monotonic()
        arrays = {name: getattr(part, key) for name, part, key in _places(self._model)}
        content = io.BytesIO()
        np.savez(content, version=np.array(_VERSION), saved_s=np.array(self._clock()), **arrays)
        before = self._writer
        self._writer = threading.Thread(
            target=replace_after, args=(self._path, content.getvalue(), before), daemon=True
        )
        self._writer.start()
        if now:
            self._writer.join(1.0)


def _parts(thing: Any) -> Iterator[Any]:
    """An object of ours and all that it holds, however deep."""
    yield thing
    for value in vars(thing).values():
        for part in value.values() if isinstance(value, dict) else (value,):
            if type(part).__module__.startswith(_OURS) and hasattr(part, "__dict__"):
                yield from _parts(part)


def _places(thing: Any) -> Iterator[tuple[str, Any, str]]:
    """Every array that is to be kept: a name for it, who holds it, and as what."""
    for number, part in enumerate(_parts(thing)):
        for key, value in vars(part).items():
            if isinstance(value, np.ndarray) and key not in getattr(part, "derived", ()):
                yield f"{number}.{type(part).__name__}.{key}", part, key


def _fits(saved: NDArray[Any], part: Any, key: str) -> bool:
    """Whether it can take the place of what is there; only the length of what `grows` may differ."""
    there = getattr(part, key)
    ends = -1 if key in getattr(part, "grows", ()) else None
    return bool(saved.dtype == there.dtype and saved.shape[:ends] == there.shape[:ends])
