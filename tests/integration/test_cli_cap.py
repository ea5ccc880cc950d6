"""`edgeagent cap` through a running agent: lent, clamped, refused, shown, released, also from afar."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from edgeagent_sdk.fleet import Fleet
from tests.services import mosquitto, spawn, wait_until

from .actuators.kernel import clock_limit
from .actuators.plant import Plant
from .actuators.plants import node_fan
from .cli import Result, edgeagent

_CONFIG = """
site = "lab"
node = "n1"
state_dir = "{home}/state"
host_root = "{home}"
[broker]
url = "{url}"
[outbox]
delivery = "broker"
"""


class Site(NamedTuple):
    """An agent with a CPU and a sensor node."""

    cpu: Plant
    fan: Plant
    config: Path
    url: str

    def cap(self, *arguments: str) -> Result:
        return edgeagent("cap", *arguments, "--config", self.config)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    home = tmp_path_factory.mktemp("site")
    with (
        mosquitto(home, persistence=False) as broker,
        clock_limit(home) as cpu,
        node_fan(home) as fan,
        Fleet(broker.url) as fleet,
    ):
        config = home / "agent.toml"
        tables = cpu.table("cpu") + fan.table("rack")
        config.write_text(_CONFIG.format(home=home, url=broker.url) + tables)
        with spawn([sys.executable, "-m", "edgeagent.daemon", "--config", str(config)], home, name="agent"):
            wait_until(lambda: devices(fleet) == {"cpu", "rack"}, "both devices are open")
            yield Site(cpu, fan, config, broker.url)


def devices(fleet: Fleet) -> set[str]:
    return {a.device for node in fleet.nodes().values() if node.describe for a in node.describe.actuators}


def test_what_is_set_holds_shows_and_is_released(site: Site) -> None:
    result = site.cap("set", "cpu", "policy0-max", "1.2e9", "--lease", "30", "--json")
    (row,) = result.json
    assert (result.code, result.err) == (0, "")
    assert (row["value"], row["outcome"]) == (1.2e9, "applied") and 25 < row["lease_s"] <= 30
    rows = {row["actuator"]: row for row in site.cap("show", "--json").json}
    assert rows["policy0-max"]["value"] == site.cpu.see() == 1.2e9
    assert "@" in rows["policy0-max"]["by"] and rows["policy0-max"]["lease_s"] > 20
    assert (rows["policy0-max"]["minimum"], rows["policy0-max"]["maximum"]) == (0.8e9, 3.4e9)
    assert (rows["fan1"]["value"], rows["fan1"]["by"]) == (1.0, "its safe state")
    assert "lease_s" not in rows["fan1"]
    site.cpu.meddle(3.0e9)
    wait_until(lambda: site.cpu.see() == 1.2e9, "it is set again")
    assert site.cap("release", "cpu", "policy0-max").code == 0
    assert site.cpu.see() == 3.0e9


def test_what_is_clamped_is_told_on_stderr(site: Site) -> None:
    result = site.cap("set", "rack", "fan1", "7")
    assert (result.code, result.err) == (0, "edgeagent: clamped: 7 is outside 0 to 1\n")
    site.cap("release", "rack", "fan1")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("set", "cup", "policy0-max", "1e9"), "refused: no device 'cup'; did you mean 'cpu'?"),
        (("set", "cpu", "policy0", "1e9"), "refused: cpu has no actuator 'policy0'; did you mean 'policy0-m"),
        (("set", "cpu", "policy0-max", "nan"), "give a finite value, and a time above 0"),
        (("set", "cpu", "policy0-max", "1e9", "--lease", "0"), "give a finite value, and a time above 0"),
        (("release", "cpu", "nothing"), "refused: cpu has no actuator 'nothing'"),
        (("show", "cup"), "refused: no device 'cup'; did you mean 'cpu'?"),
        (("show", "--node", "lab"), "--node: node '': a name has 1 to 63 characters"),
    ],
)
def test_mistakes_end_in_one_line(site: Site, arguments: tuple[str, ...], why: str) -> None:
    assert why in site.cap(*arguments).mistake


def test_from_afar_with_nothing_but_the_brokers_address(site: Site, tmp_path: Path) -> None:
    there = ("--broker", site.url)
    result = edgeagent("cap", "show", *there, cwd=tmp_path)
    assert "lab/n1" in result.out and "policy0-max" in result.out and "fan1" in result.out
    capped = edgeagent("cap", "set", "rack", "fan1", "0.3", "--node", "lab/n1", *there, cwd=tmp_path)
    assert capped.code == 0 and site.fan.see() == 0.3
    assert edgeagent("cap", "release", "rack", "fan1", "--node", "lab/n1", *there, cwd=tmp_path).code == 0
    assert site.fan.see() == 1.0
    line = edgeagent("cap", "set", "rack", "fan1", "0.3", *there, cwd=tmp_path).mistake
    assert line == "edgeagent: which node? give --node SITE/NODE, or --config instead of --broker"
