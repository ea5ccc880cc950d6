"""Drivers, stores and commands are found by name; what is not there is told with a way out."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from edgeagent_sdk import plugins
from edgeagent_sdk.errors import PluginError


@pytest.mark.parametrize(
    ("word", "known", "hint"),
    [
        ("hwmno", ["host", "hwmon"], "did you mean 'hwmon'?"),
        ("zzz", ["host", "hwmon"], "known: host, hwmon"),
        ("zzz", [], "known: none"),
    ],
)
def test_nearest(word: str, known: list[str], hint: str) -> None:
    assert plugins.nearest(word, known) == hint


def test_our_own_are_installed() -> None:
    drivers = plugins.installed(plugins.DRIVERS)
    assert {"cpufreq", "host", "hwmon", "powercap", "replay", "thermal"} <= set(drivers)
    assert list(drivers) == sorted(drivers)
    assert plugins.load(plugins.DRIVERS, "host").__name__ == "HostSensor"


def test_an_unknown_one_is_named_with_the_nearest() -> None:
    with pytest.raises(PluginError, match=r"^unknown driver 'hwmno'; did you mean 'hwmon'\?$"):
        plugins.load(plugins.DRIVERS, "hwmno")


def test_one_that_lacks_a_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = {"a": EntryPoint("a", "nowhere.module:thing", plugins.STORES)}
    monkeypatch.setattr(plugins, "installed", lambda group: entries)
    with pytest.raises(PluginError) as caught:
        plugins.load(plugins.STORES, "a")
    assert str(caught.value) == (
        "store 'a' needs a package that is missing: No module named 'nowhere'; install what 'nowhere' needs"
    )


def test_the_extra_of_our_own_packages_is_named() -> None:
    entry = plugins.installed(plugins.COMMANDS)["aggregate"]
    assert plugins.remedy(entry) == "pip install 'edgeagent[central]'"
