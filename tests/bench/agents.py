"""Agents for the rows: a configuration for a fake tree, and the process that runs it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgeagent_sdk.names import Identity
from tests.services import Service, spawn

IDENTITY = Identity("bench", "agent")

_CONFIG = """
site = "{site}"
node = "{node}"
state_dir = "{home}/state"
host_root = "{root}"
[broker]
url = "{url}"
"""

_DEVICE = """
[[device]]
name = "chip{chip}"
driver = "hwmon"
chip = "chip{chip}"
interval_s = {interval_s}
"""


@contextmanager
def agent(
    directory: Path, root: Path, broker: Service, *, chips: int, interval_s: float = 1.0
) -> Iterator[Service]:
    """The agent, as it comes but for its devices: the chips of the tree under `root`."""
    home = directory / "agent"
    home.mkdir()
    config = home / "agent.toml"
    devices = "".join(_DEVICE.format(chip=chip, interval_s=interval_s) for chip in range(chips))
    top = _CONFIG.format(site=IDENTITY.site, node=IDENTITY.node, home=home, root=root, url=broker.url)
    config.write_text(top + devices)
    command = [sys.executable, "-m", "edgeagent.daemon", "--config", str(config)]
    with spawn(command, home, name="agent") as service:
        yield service
