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


#: Drivers of a single file share a page.
_OWN = ("cgroup", "dvfs", "ipmi", "modbus", "model", "nvml", "redfish", "snmp")
PAGES = {name: HOME / name / "README.md" for name in _OWN}
PAGES |= dict.fromkeys(("iio", "w1"), Path(__file__).parents[3] / "docs" / "drivers-local.md")


@pytest.mark.parametrize("name", PAGES)
def test_the_page_tells_every_option(name: str) -> None:
    page = PAGES[name].read_text("utf-8")
    wanted = table(load(DRIVERS, name))
    assert wanted in page, f"write into {PAGES[name]}:\n{wanted}"


@pytest.mark.parametrize(
    "page", sorted({*PAGES.values()}), ids=lambda page: f"{page.parent.name}/{page.name}"
)
def test_the_examples_of_the_page_are_right(page: Path) -> None:
    owners = {name for name, its in PAGES.items() if its == page}
    for block in page.read_text("utf-8").split("```toml\n")[1:]:
        devices = tomllib.loads(block.partition("```")[0])["device"]
        assert page.parent.name == "docs" or owners & {device["driver"] for device in devices}
        for device in devices:
            sensor: type[Sensor] = load(DRIVERS, device["driver"])
            own = {key: value for key, value in device.items() if key not in ("name", "driver", "interval_s")}
            msgspec.convert(own, sensor.Options)
