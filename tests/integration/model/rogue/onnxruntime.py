"""In the place of onnxruntime, in a model's process: does whatever the model's file says.

The file is JSON: ``{"shape": [1, 4, 2], "type": "tensor(float)", "load": "well", "run": "sum"}``. A file
beside it, ``<name>.mood``, tells another deed for `run`, and may change under way.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

__version__ = "rogue"


class ExecutionMode:
    """As there."""

    ORT_SEQUENTIAL = 0


class SessionOptions:
    """As there."""

    def add_session_config_entry(self, key: str, value: str) -> None:
        """As there."""


def _hold() -> None:
    """Native code that never ends and never lets go of the interpreter."""
    re.match("(a+)+$", "a" * 40 + "b")


def _eat() -> None:
    kept = []
    while True:
        kept.append(b"x" * (1 << 22))


def _fail() -> None:
    raise ValueError("a node of the graph\nwas given the wrong shape")


DEEDS: dict[str, Callable[[], object]] = {
    "segv": lambda: ctypes.string_at(0),
    "abort": os.abort,
    "exit": lambda: os._exit(3),
    "sleep": lambda: time.sleep(60),
    "doze": lambda: time.sleep(0.3),
    "hold": _hold,
    "eat": _eat,
    "raise": _fail,
    "close": lambda: os.closerange(3, 100),
}


class InferenceSession:
    """A model that does what its file says."""

    def __init__(self, path: str, options: SessionOptions, providers: list[str]) -> None:
        self._mood = Path(path).with_suffix(".mood")
        self._script = {"type": "tensor(float)", "load": "well", "run": "sum"} | json.loads(
            Path(path).read_text()
        )
        DEEDS.get(self._script["load"], lambda: None)()

    def get_inputs(self) -> list[Any]:
        """One, as the file says."""
        return [SimpleNamespace(name="x", shape=self._script["shape"], type=self._script["type"])]

    def get_outputs(self) -> list[Any]:
        """The sum of all, and the newest sample of each channel."""
        channels = self._script["shape"][-1]
        return [
            SimpleNamespace(name="sum", shape=[1, 1], type="tensor(float)"),
            SimpleNamespace(name="last", shape=[1, channels], type="tensor(float)"),
        ]

    def run(self, names: None, feeds: dict[str, Any]) -> list[Any]:
        """The deed, then the outputs."""
        deed = self._mood.read_text() if self._mood.exists() else self._script["run"]
        x = feeds["x"]
        if deed in ("nan", "inf"):
            return [np.full((1, 1), float(deed)), x[:, -1]]
        # The first inference, on zeros, is part of loading: only then all is well by agreement.
        if x.any():
            DEEDS.get(deed, lambda: None)()
        return [x.sum().reshape(1, 1), x[:, -1]]
