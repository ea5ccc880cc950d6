"""What one part of the agent may set of the node's devices: a rank, and the actuators within its reach."""

from __future__ import annotations

import time
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import NamedTuple, Protocol

from edgeagent.driving import Rank
from edgeagent.leases import Key
from edgeagent.sampler import Sampler
from edgeagent_sdk.driver import ActuatorInfo, Driven

#: A wish that stays the same is told again this often: it would lapse.
_RENEW_S = 1.0


class Steers(Protocol):
    """Who carries wishes out; all its methods are for any thread, and return at once."""

    def drive(self, key: Key, rank: Rank, value: float, *, insist: bool) -> None:
        """Have it at `value` at most."""

    def undrive(self, key: Key, rank: Rank) -> None:
        """Wish nothing of it any more."""

    def driven(self, key: Key, rank: Rank) -> Driven:
        """What has come of it."""
        ...


class Running(Protocol):
    """The devices of the node."""

    version: int

    def sources(self) -> Mapping[str, Sampler | None]:
        """By name; None for one that has no thread at the moment."""
        ...


class Handle:
    """`edgeagent_sdk.driver.Drive`: one actuator, for one rank. For one thread, but `state` for any."""

    def __init__(self, steers: Steers, rank: Rank, key: Key, info: ActuatorInfo) -> None:
        self.info = info
        self._steers, self._rank, self._key = steers, rank, key
        self._told: tuple[float, bool] | None = None
        self._told_s = 0.0

    @property
    def device(self) -> str:
        """Whose actuator it is."""
        return self._key.device

    @property
    def state(self) -> Driven:
        """What has come of it."""
        return self._steers.driven(self._key, self._rank)

    def drive(self, value: float, *, insist: bool = False) -> None:
        """Have it hold `value`, within its limits; returns at once."""
        value = min(max(value, self.info.minimum), self.info.maximum)
        now_s = time.monotonic()
        if self._told != (value, insist) or now_s - self._told_s >= _RENEW_S:
            self._told, self._told_s = (value, insist), now_s
            self._steers.drive(self._key, self._rank, value, insist=insist)

    def let_go(self) -> None:
        """Have it given back; returns at once."""
        self._told = None
        self._steers.undrive(self._key, self._rank)


class Reach(NamedTuple):
    """`edgeagent_sdk.driver.Actuators` for one rank.

    Args:
        device: the device that asks, whose own actuators are not within its reach; empty if it is none.
    """

    steers: Steers
    running: Running
    rank: Rank
    device: str = ""

    @property
    def version(self) -> int:
        """Another number after each change of the devices."""
        return self.running.version

    def find(self, pattern: str) -> list[Handle]:
        """The actuators that match ``device/actuator``."""
        return [
            Handle(self.steers, self.rank, Key(name, info.name), info)
            for name, sampler in self.running.sources().items()
            if sampler and name != self.device
            for info in sampler.actuators
            if fnmatchcase(f"{name}/{info.name}", pattern)
        ]
