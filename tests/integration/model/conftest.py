"""Every model here has the rogue runtime."""

from __future__ import annotations

from pathlib import Path

import pytest

from .bus import ROGUE, Rig


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    monkeypatch.setenv("PYTHONPATH", str(ROGUE))
    return Rig(tmp_path)
