"""The runtimes, each in the process of a model only, and imported for a file of its kind only."""

from __future__ import annotations

from importlib import import_module
from pathlib import PurePath
from typing import Final

from edgeagent.drivers.model.refusal import Refusal
from edgeagent.drivers.model.runtime import BUILTIN, FileModel, Model, Setup

#: By the end of a file's name.
SUFFIXES: Final = {".onnx": "onnx", ".tflite": "tflite"}


def load_file(path: str) -> FileModel:
    """The model in a file. Raises Refusal."""
    module = import_module(f"edgeagent.drivers.model.runtimes.{SUFFIXES[PurePath(path).suffix.lower()]}")
    model: FileModel = module.load(path)
    return model


def load_builtin(name: str, setup: Setup) -> Model:
    """A model of ours. Raises Refusal."""
    module, _, kind = BUILTIN[name].partition(":")
    try:
        model: Model = getattr(import_module(module), kind)(setup)
    except ModuleNotFoundError as error:
        raise Refusal(
            f"the Python package {error.name} is not installed", "pip install 'edgeagent[inference]'"
        ) from None
    return model
