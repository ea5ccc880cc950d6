"""A driver that keeps every rule of the conformance kit, and the device that it reads: what others break."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec

from edgeagent_sdk import (
    Actuator,
    ActuatorInfo,
    Channel,
    DriverError,
    Fault,
    Found,
    Host,
    LeasedActuator,
    Occurrence,
    Options,
    Sensor,
    Value,
)
from edgeagent_sdk.conformance import Bench

_DEVICE = "dev/box"


class Box:
    """The device: a file of JSON. It measures power, counts energy and holds two settings."""

    def __init__(self, root: Path) -> None:
        self.path = root / _DEVICE
        self.path.parent.mkdir(parents=True)
        self.plug()

    def plug(self) -> None:
        self._write(power=100.0, energy=50.0, fan=0.5, relay=0.0, until_s=0.0, silent=False)

    def unplug(self) -> None:
        self.path.unlink()

    def change(self, **changes: Any) -> None:
        self._write(**json.loads(self.path.read_text()) | changes)

    def bench(self) -> Bench:
        """All that a bench can do."""
        return Bench(
            Host(self.path.parents[1]),
            {"path": f"/{_DEVICE}"},
            unplug=self.unplug,
            replug=self.plug,
            hang=lambda: self.change(silent=True),
            resume=lambda: self.change(silent=False),
            reset=lambda: self.change(energy=1.0),
            discovered=True,
            patience_s=0.3,
            settle_s=0.001,
            lease_s=0.05,
        )

    def _write(self, **content: Any) -> None:
        self.path.write_text(json.dumps(content))


class BoxOptions(Options):
    path: Annotated[str, msgspec.Meta(description="the box's file")]


class Fan(Actuator):
    def __init__(self, path: Path) -> None:
        self.info = ActuatorInfo("fan", "duty", 0.0, 1.0, "the fan", 0.01)
        self.path = path

    def get(self) -> float:
        return float(ask(self.path)["fan"])

    def set(self, value: float) -> None:
        tell(self.path, fan=round(value, 2))


class Relay(LeasedActuator):
    def __init__(self, path: Path) -> None:
        self.info = ActuatorInfo("relay", "state", 0.0, 1.0, "the relay", 1.0)
        self.path, self.ttl_s = path, 5.0

    def get(self) -> float:
        said = ask(self.path)
        return float(said["relay"]) if time.time() < said["until_s"] else 0.0

    def hold(self, value: float, ttl_s: float) -> None:
        tell(self.path, relay=float(value), until_s=time.time() + ttl_s)

    def release(self) -> None:
        tell(self.path, until_s=0.0)


class BoxSensor(Sensor):
    """Keeps every rule."""

    Options = BoxOptions
    summary = "the box of the tests"

    def __init__(self, host: Host, options: BoxOptions) -> None:
        super().__init__(host, options)
        self.path = host.path(options.path)
        self.total_j = 0.0
        self.last_j: float | None = None
        self.news: list[Occurrence] = []

    @classmethod
    def discover(cls, host: Host) -> Iterable[Found]:
        if host.path(_DEVICE).exists():
            yield Found("box", {"path": f"/{_DEVICE}"}, "a box")

    def open(self) -> Sequence[Channel]:
        ask(self.path)
        self.news.append(Occurrence("opened", f"{self.path} is there"))
        return [Channel("in", "power"), Channel("in", "energy"), Channel("case", "temperature")]

    def read(self) -> Sequence[Value]:
        said = ask(self.path)
        return [said["power"], self.count(said["energy"]), Fault("the box has no thermometer")]

    def count(self, now_j: float) -> float:
        before_j, self.last_j = self.last_j, now_j
        self.total_j += now_j if before_j is None or now_j < before_j else now_j - before_j
        return self.total_j

    def actuators(self) -> Sequence[Actuator]:
        return [Fan(self.path), Relay(self.path)]

    def occurrences(self) -> Sequence[Occurrence]:
        told, self.news = self.news, []
        return told


def ask(path: Path) -> dict[str, Any]:
    """What the box says. Raises DriverError."""
    try:
        said: dict[str, Any] = json.loads(path.read_text())
    except OSError as error:
        raise DriverError(f"{path}: {error.strerror}", "plug it in") from None
    if said["silent"]:
        raise DriverError(f"{path}: no answer")
    return said


def tell(path: Path, **changes: float) -> None:
    """Let the box hold other values."""
    if any(math.isnan(value) for value in changes.values()):
        raise DriverError("NaN is no setting")
    path.write_text(json.dumps(ask(path) | changes))
