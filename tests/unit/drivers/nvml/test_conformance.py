"""The nvml driver keeps the rules of the kit that integrators test theirs with."""

from __future__ import annotations

import pytest

from edgeagent.drivers.nvml import NvmlSensor
from edgeagent_sdk.conformance import Bench, DriverConformance
from edgeagent_sdk.driver import Host

from .fake import FULL, Fake

#: NVML's code for a GPU that is lost.
_LOST = 15


class TestNvml(DriverConformance):
    driver = NvmlSensor

    @pytest.fixture
    def bench(self, fake: Fake, host: Host) -> Bench:
        return Bench(
            host,
            {"gpu": FULL},
            unplug=lambda: fake.fail("*", _LOST),
            replug=lambda: fake.fail("*", 0),
            reset=lambda: fake.set(energy_mj=5000),
            discovered=True,
            patience_s=5.0,
        )
