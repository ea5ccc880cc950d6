"""What this machine can measure: every installed driver is asked, and what it cannot reach is said too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from edgeagent.config import DeviceConfig
from edgeagent_sdk.driver import Found, Host, Sensor
from edgeagent_sdk.errors import EdgeError
from edgeagent_sdk.names import unique
from edgeagent_sdk.plugins import DRIVERS, installed, load

#: Names that no device may take: the agent reports on itself under it.
_TAKEN = ["agent"]


class Finding(NamedTuple):
    """A device, and the driver that came across it. Device names differ from one another."""

    driver: str
    device: str
    found: Found

    def config(self) -> DeviceConfig:
        """The device as the agent would run it, with every key at its default."""
        sensor: type[Sensor] = load(DRIVERS, self.driver)
        options = msgspec.convert(self.found.options, sensor.Options)
        return DeviceConfig(name=self.device, driver=self.driver, sensor=sensor, options=options)


class Silent(NamedTuple):
    """A driver that could not look, and why."""

    driver: str
    reason: str


class Survey(NamedTuple):
    """What all installed drivers found on one host."""

    findings: list[Finding]
    silent: list[Silent]

    @property
    def absent(self) -> list[str]:
        """The drivers that found nothing of their kind."""
        heard = {found.driver for found in self.findings} | {silent.driver for silent in self.silent}
        return [driver for driver in installed(DRIVERS) if driver not in heard]

    @property
    def readable(self) -> list[Finding]:
        """The devices that can be read now."""
        return [finding for finding in self.findings if not finding.found.missing]


def survey(host: Host) -> Survey:
    """Ask every installed driver what of its kind `host` has. Never raises: drivers may be anybody's code."""
    results = [result for driver in installed(DRIVERS) for result in _ask(driver, host)]
    found = [result for result in results if isinstance(result, Finding)]
    names = unique(_TAKEN + [finding.device for finding in found])[len(_TAKEN) :]
    findings = [finding._replace(device=name) for finding, name in zip(found, names, strict=True)]
    return Survey(findings, [result for result in results if isinstance(result, Silent)])


def _ask(driver: str, host: Host) -> Iterator[Finding | Silent]:
    try:
        sensor: type[Sensor] = load(DRIVERS, driver)
        for found in sensor.discover(host):
            yield Finding(driver, found.device, found)
    except EdgeError as error:
        yield Silent(driver, str(error))
    except Exception as error:
        yield Silent(driver, f"the driver failed: {type(error).__name__}: {error}")
