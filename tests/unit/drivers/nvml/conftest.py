"""The library of the tests, once a run, and as new for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeagent_sdk.driver import Host

from ..trees import build
from .fake import Fake, loaded

TRACES: dict[str, str | bytes | Path] = {"dev/nvidiactl": "", "proc/sys/kernel/random/boot_id": "boot-1"}


@pytest.fixture(scope="session")
def library() -> Fake:
    return loaded()


@pytest.fixture
def fake(library: Fake) -> Iterator[Fake]:
    """NVML as this process finds it."""
    library.reset()
    yield library
    library.reset()


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A machine with an NVIDIA GPU."""
    return build(tmp_path, TRACES)
