"""Channels of devices that open while they are being looked for."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from edgeagent.drivers.model.inputs import Inputs
from edgeagent_sdk.channel import Channel
from edgeagent_sdk.driver import Source
from edgeagent_sdk.errors import DriverError


class Opening:
    """`Readings` of one device, with one channel, that opens at the end of the first look for it."""

    version = 1

    def __init__(self, channel: str) -> None:
        self.channel, self.looks = channel, 0

    def find(self, pattern: str) -> Sequence[Source]:
        self.looks += 1
        found = self.looks > 1 and pattern in (f"gpu/power/{self.channel}", "gpu/power/*")
        return [Source("gpu", Channel(self.channel, "power"), lambda: (200.0, 0.0))] if found else []

    def waiting(self, pattern: str) -> Sequence[str]:
        return [] if self.looks else ["gpu"]


def test_a_device_that_opens_just_after_the_look_is_found() -> None:
    inputs = Inputs(Opening("board"), ["gpu/power/board"])
    inputs.wait()
    assert inputs.latest() == ([200.0], 0.0)


def test_a_channel_that_an_open_device_does_not_have_is_told() -> None:
    with pytest.raises(DriverError, match="there is no channel gpu/power/board; gpu has gpu/power/core"):
        Inputs(Opening("core"), ["gpu/power/board"]).wait()
