"""Within an environment that has one runtime: runs the driver over the cases on its standard input.

Each case is ``{"options": …, "rows": [[…], …]}``; its result is ``{"values": […], "refused": "…"}``.
"""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace
from typing import Any

import msgspec

from edgeagent.drivers.model import sensor as driver
from edgeagent.drivers.model.options import ModelOptions
from edgeagent_sdk.channel import Fault
from edgeagent_sdk.driver import Host
from edgeagent_sdk.errors import DriverError
from tests.integration.model.bus import Bus

_STEP_S = 1.0


def result(case: dict[str, Any]) -> dict[str, Any]:
    """What the driver gives once the window is full of the case's rows."""
    bus, clock_s = Bus(), [0.0]
    setattr(driver, "time", SimpleNamespace(monotonic=lambda: clock_s[0]))  # noqa: B010
    names = case["options"]["inputs"]
    bus.values = dict.fromkeys(names, 0.0)
    sensor = driver.ModelSensor(Host(readings=bus), msgspec.convert(case["options"], ModelOptions))
    try:
        sensor.open()
        read: Any = []
        for row in case["rows"]:
            clock_s[0] += _STEP_S
            bus.values = dict(zip(names, row, strict=True))
            read = sensor.read()
    except DriverError as error:
        return {"refused": str(error)}
    finally:
        sensor.close()
    return {"values": [v.reason if isinstance(v, Fault) else v for v in read[:-1]]}


def main() -> None:
    """Read the cases, print the results, and which modules this process has loaded."""
    results = [result(case) for case in json.load(sys.stdin)]
    print(json.dumps({"results": results, "modules": sorted(sys.modules)}))


if __name__ == "__main__":
    main()
