"""The page of each driver tells every option, as `edgeagent check --explain` does."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec
import pytest

from edgeagent import drivers
from edgeagent_sdk.config import explain
from edgeagent_sdk.driver import Sensor
from edgeagent_sdk.plugins import DRIVERS, load

HOME = Path(drivers.__file__).parent


def table(sensor: type[Sensor]) -> str:
    """The options of a driver, in Markdown."""
    rows = [
        f"| `{row['key']}` | {row['type']} | `{row['default']}` | {row['meaning']} |"
        for row in explain(sensor.Options)
    ]
    return "\n".join(["| option | takes | default | meaning |", "|---|---|---|---|", *rows])


@pytest.mark.parametrize("name", ["ipmi", "modbus", "nvml", "redfish", "snmp"])
def test_the_page_tells_every_option_and_its_example_is_right(name: str) -> None:
    sensor: type[Sensor] = load(DRIVERS, name)
    page = (HOME / name / "README.md").read_text("utf-8")
    assert table(sensor) in page, f"write into {name}/README.md:\n{table(sensor)}"
    for block in page.split("```toml\n")[1:]:
        for device in tomllib.loads(block.partition("```")[0])["device"]:
            own = {key: value for key, value in device.items() if key not in ("name", "driver", "interval_s")}
            msgspec.convert(own, sensor.Options)
            assert device["driver"] == name
