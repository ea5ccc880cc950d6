"""What every case of a fault starts with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.rig import Rig, rig


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Rig]:
    """The loop, without agents yet."""
    with rig(tmp_path) as made:
        yield made
