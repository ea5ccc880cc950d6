"""Drivers of network devices keep the kit's rules with a real UPS daemon and a real PDU simulator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edgeagent.drivers.nut import NutSensor
from edgeagent.drivers.snmp import SnmpSensor
from edgeagent_sdk.conformance import Bench, DriverConformance
from edgeagent_sdk.driver import Host
from tests.nut import Ups, knows, ups
from tests.services import Service, wait_until
from tests.snmpagents import OUTLET_PROFILE, outlets, snmpsim


@pytest.fixture(scope="module")
def upsd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ups]:
    with ups(tmp_path_factory.mktemp("upsd")) as made:
        yield made


@pytest.fixture(scope="module")
def pdu(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("snmpsim")
    (home / "pdu.snmprec").write_text(outlets(2))
    with snmpsim(home, [home / "pdu.snmprec"]) as service:
        yield service


def on(service: Service, tmp_path: Path, **options: object) -> Bench:
    """A bench whose device is a service."""
    return Bench(
        Host(state_dir=tmp_path),
        options,
        unplug=service.stop,
        replug=service.start,
        hang=service.pause,
        resume=service.resume,
        patience_s=20.0,
    )


class TestNut(DriverConformance):
    driver = NutSensor

    @pytest.fixture
    def bench(self, upsd: Ups, tmp_path: Path) -> Bench:
        def replug() -> None:
            upsd.upsd.start()
            wait_until(lambda: knows(upsd.port, ["rack"]), "upsd knows what its driver knows")

        made = on(upsd.upsd, tmp_path, port=upsd.port, timeout_s=0.5)
        return replace(made, replug=replug)


class TestSnmp(DriverConformance):
    driver = SnmpSensor

    @pytest.fixture
    def bench(self, pdu: Service, tmp_path: Path) -> Bench:
        profile = tmp_path / "pdu.toml"
        profile.write_text(OUTLET_PROFILE)
        keys = {"profile": str(profile), "community": "pdu", "timeout_ms": 1000, "retries": 0}
        return on(pdu, tmp_path, host="127.0.0.1", port=pdu.port, **keys)
