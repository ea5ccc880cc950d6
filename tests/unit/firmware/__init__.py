"""Tests of the firmware's tools; its own sources are tested by `make -C firmware check`."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

FIRMWARE = Path(__file__).parents[3] / "firmware"


def tool(name: str) -> ModuleType:
    """A program of `firmware/tools`, as a module."""
    spec = importlib.util.spec_from_file_location(name, FIRMWARE / "tools" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
