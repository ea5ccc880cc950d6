"""Small twins for tests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeagent_hil.twin import Site, SiteInputs, SiteOutputs, SiteState, calm, design, kinds, start, step

_DATA = Path(__file__).parents[4] / "shared" / "data"


def data(name: str) -> Path:
    """A file of real data beside the project; without it the test is skipped."""
    path = _DATA / name
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return path


def plant(kind: str = "x3550m3", servers: int = 3, **options: Any) -> Site:
    """A site of one kind of server."""
    return design.site([kinds.load(kind)], [servers], **options)


def working(site: Site, demand: float | np.ndarray, **changes: Any) -> SiteInputs:
    """Inputs with so much work, and other changes to what is done to the servers."""
    inputs = calm(site)
    demands = np.broadcast_to(np.asarray(demand, float), site.servers.shape)
    return replace(inputs, servers=replace(inputs.servers, demand=demands, **changes))


def settled(site: Site, inputs: SiteInputs, *, steps: int = 150, dt_s: float = 20.0) -> SiteOutputs:
    """What a site does once it has come to rest."""
    return after(site, start(site), inputs, steps, dt_s)[1]


def after(
    site: Site, state: SiteState, inputs: SiteInputs, steps: int, dt_s: float = 1.0
) -> tuple[SiteState, SiteOutputs]:
    """State and outputs after so many steps."""
    for _ in range(steps):
        state, outputs = step(site, state, inputs, dt_s)
    return state, outputs
