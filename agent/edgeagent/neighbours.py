"""What a device may read of the node's other devices."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from typing import NamedTuple, Protocol

from edgeagent.sampler import Sampler
from edgeagent_sdk.driver import Source
from edgeagent_sdk.errors import DriverError


class Running(Protocol):
    """The devices of the node."""

    @property
    def version(self) -> int:
        """Another number after each change of the devices or of their channels."""
        ...

    def sources(self) -> Mapping[str, Sampler | None]:
        """By name; None for one that has no thread at the moment."""
        ...


class Neighbours(NamedTuple):
    """`edgeagent_sdk.driver.Readings` for one device of the node."""

    running: Running
    device: str

    @property
    def version(self) -> int:
        """Another number after each change of the devices or of their channels."""
        return self.running.version

    def find(self, pattern: str) -> list[Source]:
        """The channels that match; a device that reads others only where it is named in full."""
        if _device(pattern) == self.device:
            raise DriverError(f"{{{pattern}}} is a channel of this device itself; use its expression")
        return [
            Source(sampler.device, channel, partial(sampler.latest, channel.key))
            for sampler in self.running.sources().values()
            if sampler and sampler.stream and _may_match(sampler, pattern)
            for channel in sampler.stream.channels
            if fnmatchcase("/".join((sampler.device, *channel.key)), pattern)
        ]

    def waiting(self, pattern: str) -> list[str]:
        """The devices that could match but are not open yet."""
        return [
            name
            for name, sampler in self.running.sources().items()
            if fnmatchcase(name, _device(pattern))
            and (sampler is None or (not sampler.stream and _may_match(sampler, pattern)))
        ]


@dataclass(frozen=True)
class Planned:
    """The devices of a configuration, none of which runs."""

    names: Collection[str]
    version: int = 0

    def sources(self) -> Mapping[str, None]:
        """All of them, without a thread."""
        return dict.fromkeys(self.names)


def _device(pattern: str) -> str:
    return pattern.partition("/")[0]


def _may_match(sampler: Sampler, pattern: str) -> bool:
    return not (sampler.sensor.reads_others and set("*?[") & set(pattern))
