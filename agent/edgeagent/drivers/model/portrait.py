"""What a model file is, what it would be given, and what an inference takes on this machine."""

from __future__ import annotations

import math
import time
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from edgeagent.drivers.model import modelfile
from edgeagent.drivers.model.process import Loaded, Process
from edgeagent.drivers.model.runtime import OPEN
from edgeagent_sdk.errors import DriverError

_LOAD_S: Final = 30.0
_MEMORY_MB: Final = 4096

#: So many inferences are timed, but not for longer than that.
_RUNS: Final = 200
_RUNS_S: Final = 3.0
_INFERENCE_S: Final = 10.0


class Place(NamedTuple):
    """The options that fit a model's input."""

    layout: str
    window: int
    inputs: int


class Portrait(NamedTuple):
    """A model file.

    Args:
        places: by which layouts it can be fed; none where none fits.
        latencies_s: from the request to the answer, as the driver would see them, sorted.
        resident_bytes: of its process after those.
    """

    loaded: Loaded
    places: Sequence[Place]
    latencies_s: Sequence[float] = ()
    resident_bytes: int = 0


def portrait(path: Path) -> Portrait:
    """Load the model as the driver would, and try it on zeros.

    Raises:
        DriverError: it cannot be loaded.
    """
    modelfile.check(path, 0.0)
    loaded, process = _load(path, None)
    process.kill()
    places = _places(loaded)
    if not places:
        return Portrait(loaded, places)
    _, process = _load(path, places[0])
    try:
        latencies_s = sorted(_latencies_s(process, places[0]))
        return Portrait(loaded, places, latencies_s, _resident_bytes(process.pid))
    finally:
        process.kill()


def _load(path: Path, place: Place | None) -> tuple[Loaded, Process]:
    wanted: dict[str, Any] = {
        "file": str(path),
        "builtin": "",
        "inputs": [""] * place.inputs if place else [],
        "window": place.window if place else 0,
        "layout": place.layout if place else "",
        "memory_mb": _MEMORY_MB,
        "outputs": [["", 0]] if place else [],
    }
    process = Process(wanted)
    try:
        loaded = process.loaded(_LOAD_S)
    except DriverError as error:
        process.kill()
        raise DriverError(f"{path}: {error.reason}", error.remedy) from None
    if loaded is None:
        process.kill()
        raise DriverError(f"{path}: not loaded after {_LOAD_S:g} s")
    return loaded, process


def _places(loaded: Loaded) -> list[Place]:
    """What fits the one input; a size that it leaves open is 1. Which of two is time, no shape tells."""
    if len(loaded.inputs) != 1 or not loaded.inputs[0].dtype.startswith("float"):
        return []
    match [1 if size == OPEN else size for size in loaded.inputs[0].shape]:
        case [1, first, second]:
            return [Place("window-channels", first, second), Place("channels-window", second, first)]
        case [1, inputs]:
            return [Place("flat", 1, inputs)]
        case _:
            return []


def _latencies_s(process: Process, place: Place) -> list[float]:
    window = array("d", bytes(8 * place.window * place.inputs))
    latencies_s: list[float] = []
    until_s = time.monotonic() + _RUNS_S
    while len(latencies_s) < _RUNS and time.monotonic() < until_s:
        begun_s = time.perf_counter()
        answer = process.ask(window, _INFERENCE_S)
        latencies_s.append(math.inf if answer.fault else time.perf_counter() - begun_s)
    return latencies_s


def _resident_bytes(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmRSS")), 0)
