"""What one device that hangs costs the others."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

from edgeagent_hil.load.report import quantile
from tests import bmc
from tests.bench.table import Bench, Figure, at_most, row
from tests.bench.trees import hwmon_tree
from tests.responder import responder
from tests.services import mosquitto, spawn, wait_until

_INTERVAL_S = 0.1

_TOP = """
site = "bench"
node = "agent"
state_dir = "{home}/state"
host_root = "{root}"
[broker]
url = "{broker}"
"""

_CHIP = """
[[device]]
name = "chip{chip}"
driver = "hwmon"
chip = "chip{chip}"
interval_s = {interval_s}
"""

_BMC = """
[[device]]
name = "bmc"
driver = "redfish"
interval_s = {interval_s}
url = "{url}"
username = "{user}"
password = "{password}"
"""


@row
def hanging_device(bench: Bench) -> Iterator[Figure]:
    """How late others are read while a BMC takes 30 s for each answer, and without that BMC."""
    alone = _lateness_ms(bench.directory / "alone", 30 * bench.seconds, with_bmc=False)
    beside = _lateness_ms(bench.directory / "beside", 30 * bench.seconds, with_bmc=True)
    yield Figure(
        "others are read late, p99.9, while a device hangs 30 s",
        quantile(beside, 0.999),
        "ms",
        at_most(10),
        {"the same agent without it": quantile(alone, 0.999)},
        f"10 chips at 10 Hz, {len(beside)} readings beside a BMC that holds every answer back; "
        f"latest {max(beside):.1f} ms, without it {max(alone):.1f} ms",
    )


def _lateness_ms(directory: Path, seconds: float, *, with_bmc: bool) -> list[float]:
    """How long after its moment each reading of ten chips was begun."""
    hwmon_tree(directory / "tree", 10, 1)
    habits = bmc.Habits(hangs="/redfish")  # answers are held back for 30 s, the first one too
    with (
        mosquitto(directory) as broker,
        bmc.serve(bmc.tree("new"), habits) as server,
        responder(broker.url) as taken,
    ):
        text = _TOP.format(home=directory, root=directory / "tree", broker=broker.url)
        text += "".join(_CHIP.format(chip=chip, interval_s=_INTERVAL_S) for chip in range(10))
        if with_bmc:
            keys = {"url": server.url, "user": bmc.USER, "password": bmc.PASSWORD}
            text += _BMC.format(interval_s=_INTERVAL_S, **keys)
        config = directory / "agent.toml"
        config.write_text(text)
        with spawn([sys.executable, "-m", "edgeagent.daemon", "--config", str(config)], directory):
            wait_until(lambda: len(taken.readings) > 100, "readings")
            if with_bmc and not server.requests:
                raise RuntimeError("the BMC was not asked")
            begin = len(taken.readings)
            time.sleep(seconds)
            stamps = [r.time_ns for r in taken.readings[begin:] if r.quantity == "temperature"]
    period_ns = int(_INTERVAL_S * 1e9)
    return [stamp % period_ns / 1e6 for stamp in stamps]
