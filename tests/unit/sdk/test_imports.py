"""The SDK's names: all there, and none of them paid for before it is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import edgeagent_sdk

_LOADED = (
    "import sys; print(*(name for name in ('msgspec', 'paho.mqtt', 'email', 'rich') if name in sys.modules))"
)


@pytest.mark.parametrize("name", edgeagent_sdk.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(edgeagent_sdk, name) is not None
    assert name in dir(edgeagent_sdk)


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Thermometer'"):
        _ = edgeagent_sdk.Thermometer


@pytest.mark.parametrize(
    ("program", "loaded"),
    [
        ("import edgeagent_sdk, edgeagent_sdk.cli, edgeagent_sdk.plugins", ""),
        ("from edgeagent_sdk import Sensor", "msgspec"),
    ],
)
def test_what_an_import_loads(program: str, loaded: str) -> None:
    answer = subprocess.check_output([sys.executable, "-c", f"{program}; {_LOADED}"], text=True)
    assert answer.split() == loaded.split()
