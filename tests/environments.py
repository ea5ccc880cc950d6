"""Virtual environments with the packages of one extra, made by pip below `build/` and kept there."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

_ROOT = Path(__file__).parents[1]

#: What the agent's and the SDK's own modules import.
_BASE = ("msgspec", "paho-mqtt")

#: What pip says when there is no registry, or no package for this machine in it.
_UNREACHED = ("Could not find a version", "No matching distribution", "Connection", "timed out", "resolve")


class Environment(NamedTuple):
    """One environment; our own sources are in front of what is installed."""

    home: Path

    def run(self, module: str, text: str, environment: Mapping[str, str] | None = None) -> str:
        """What a module of ours prints that is given `text`; fails unless it succeeds."""
        sources = os.pathsep.join(str(_ROOT / part) for part in ("agent", "sdk", "."))
        ours = {"PYTHONPATH": sources, **(environment or {})}
        if environment and "PYTHONPATH" in environment:
            ours["PYTHONPATH"] = os.pathsep.join((environment["PYTHONPATH"], sources))
        done = subprocess.run(
            [str(self.home / "bin" / "python"), "-P", "-m", module],
            input=text,
            env=os.environ | ours,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def environment(extra: str) -> Environment:
    """The environment of an extra of pyproject.toml; skips the test where it cannot be had."""
    extras = tomllib.loads((_ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    wanted = [*_BASE, *extras[extra]]
    key = f"{zlib.crc32(repr((wanted, sys.version)).encode()):08x}"
    home = _ROOT / "build" / "environments" / f"{extra}-{key}"
    done = home / "done"
    if not done.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(home)], check=True)
        _install(home / "bin" / "python", wanted)
        done.touch()
    return Environment(home)


def _install(python: Path, wanted: list[str]) -> None:
    options = ["--quiet", "--disable-pip-version-check", "--no-compile", "--only-binary", ":all:"]
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", *options, *wanted]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    if done.returncode == 0:
        return
    said = done.stderr.strip().splitlines()
    if any(words in done.stderr for words in _UNREACHED):
        pytest.skip(f"pip cannot have {' '.join(wanted)} here: {said[-1] if said else 'no word'}")
    raise AssertionError(done.stderr)
