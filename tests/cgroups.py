"""A control group of the tests' own, where this machine lets us make one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

_ROOT = Path("/sys/fs/cgroup")


def obstacle() -> str:
    """Why none can be made here; empty if one can."""
    try:
        with own_group():
            return ""
    except OSError as error:
        return f"no control group can be made here: {error}"


@contextmanager
def own_group() -> Iterator[Path]:
    """Its directory in the hierarchy of the CPU controller; processes in it must have ended by the end."""
    version_1 = next((base for base in (_ROOT / "cpu", _ROOT / "cpu,cpuacct") if base.is_dir()), None)
    name = f"edgeagent-test-{uuid4().hex[:8]}"
    made = [base / name for base in _bases(version_1)]
    for directory in made:
        directory.mkdir()
    try:
        if not version_1 and not (made[0] / "cpu.max").exists():
            raise OSError(f"{_ROOT} has no CPU controller for us")
        yield made[0]
    finally:
        for directory in made:
            directory.rmdir()


def _bases(version_1: Path | None) -> list[Path]:
    if version_1 is None:
        return [_ROOT]
    usage = _ROOT / "cpuacct"
    return [version_1, usage] if usage.is_dir() and usage.resolve() != version_1.resolve() else [version_1]
