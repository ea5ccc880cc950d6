"""Surveys: every driver is asked, and one that fails hurts no other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import ClassVar

import pytest

from edgeagent import survey as module
from edgeagent.starter import starter
from edgeagent.survey import survey
from edgeagent_sdk import plugins
from edgeagent_sdk.channel import Channel, Value
from edgeagent_sdk.driver import Found, Host, Sensor
from edgeagent_sdk.errors import DriverError


class Meter(Sensor):
    """Finds what a test tells it to."""

    finds: ClassVar[Callable[[], Iterable[Found]]]

    @classmethod
    def discover(cls, host: Host) -> Iterable[Found]:
        return cls.finds()

    def open(self) -> Sequence[Channel]:
        return []

    def read(self) -> Sequence[Value]:
        return []


class Broken(Meter):
    """A driver with a bug."""

    @classmethod
    def discover(cls, host: Host) -> Iterable[Found]:
        yield Found("before", {}, "found before the bug")
        raise ZeroDivisionError("oh")


class Refusing(Meter):
    """A driver that breaks the rule of never raising."""

    @classmethod
    def discover(cls, host: Host) -> Iterable[Found]:
        raise DriverError("no bus", "load i2c-dev")


class Twins(Meter):
    """Names that others have as well."""

    @classmethod
    def discover(cls, host: Host) -> Iterable[Found]:
        yield Found("agent", {}, "")
        yield Found("before", {}, "two\nlines\x1b[31m", "no permission", "chmod\nit")


@pytest.fixture
def drivers(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"broken": "Broken", "refusing": "Refusing", "twins": "Twins", "zz": "nowhere:Nothing"}
    entries = {
        name: EntryPoint(name, target if ":" in target else f"{__name__}:{target}", plugins.DRIVERS)
        for name, target in names.items()
    }
    monkeypatch.setattr(module, "installed", lambda group: entries)
    monkeypatch.setattr(plugins, "installed", lambda group: entries)


def test_every_driver_is_asked(drivers: None) -> None:
    result = survey(Host(Path("/nowhere")))
    assert [(f.driver, f.device) for f in result.findings] == [
        ("broken", "before"),
        ("twins", "agent-2"),
        ("twins", "before-2"),
    ]
    assert [f.device for f in result.readable] == ["before", "agent-2"]
    assert [(s.driver, s.reason) for s in result.silent] == [
        ("broken", "the driver failed: ZeroDivisionError: oh"),
        ("refusing", "no bus; load i2c-dev"),
        (
            "zz",
            "driver 'zz' needs a package that is missing: No module named 'nowhere'; "
            "install what 'nowhere' needs",
        ),
    ]


def test_what_cannot_be_read_becomes_a_comment(drivers: None) -> None:
    text = starter(survey(Host(Path("/nowhere"))), {"site": "lab"})
    assert "\x1b" not in text
    assert '[[device]]\nname = "agent-2"\ndriver = "twins"\n' in text
    assert (
        "# two lines [31m\n"
        "# Only a comment: no permission; chmod it. Then remove the # below.\n"
        '# [[device]]\n# name = "before-2"\n# driver = "twins"\n'
    ) in text
    assert "# driver refusing: no bus; load i2c-dev\n" in text
