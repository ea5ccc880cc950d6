"""Several guards over the same actuators, and what they tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from edgeagent.guard import Guards
from edgeagent.guard.settings import GuardConfig
from edgeagent_sdk.channel import Channel, Fault, Value
from edgeagent_sdk.driver import ActuatorInfo, Driven, Source
from tests.unit.agent.reports import Reports


class Knob:
    """A `Drive` that obeys at once, unless it is `stuck`."""

    device = "cpu"

    def __init__(self, name: str) -> None:
        self.info = ActuatorInfo(name, "frequency", 4e8, 2e9, step=1e3)
        self.state = Driven(2e9)
        self.held: float | None = None
        self.stuck = ""

    def drive(self, value: float, *, insist: bool = False) -> None:
        assert insist
        self.held = value
        self.state = Driven(2e9, fault=self.stuck) if self.stuck else Driven(value)

    def let_go(self) -> None:
        self.held, self.state = None, Driven(2e9)


class World:
    """Readings and actuators of a node, and the clock.

    Attributes:
        values: by quantity and name, of the device `soc`.
    """

    version = 1

    def __init__(self) -> None:
        self.values: dict[str, Value] = {"temperature/cpu": 40.0, "power/in": 5.0}
        self.big, self.little = Knob("big-max"), Knob("little-max")
        self.reports = Reports()
        self.now_s = 1e9  # far from the clock of the guards, which is then asked for
        self.guards = Guards(_Readings(self), _Knobs(self), self.reports)

    def guard(self, *guards: GuardConfig) -> None:
        """Under these, from now on; the thread is ours."""
        self.guards.apply(guards, {"soc", "cpu"})
        self.guards.stop()

    def pass_s(self, seconds: float = 0.5, **values: Value) -> None:
        """Time passes, and then these are read: temperature and power."""
        names = {"temperature": "temperature/cpu", "power": "power/in"}
        self.values |= {names[name]: value for name, value in values.items()}
        until_s = self.now_s + seconds
        while self.now_s < until_s:
            self.now_s += 0.1
            self.guards.turn(self.now_s)

    def holds(self, big: float | None, little: float | None) -> bool:
        return (self.big.held, self.little.held) == (big, little)


class _Readings:
    version = 1

    def __init__(self, world: World) -> None:
        self._world = world

    def find(self, pattern: str) -> Sequence[Source]:
        quantity, name = pattern.split("/")[1:]
        if f"{quantity}/{name}" not in self._world.values:
            return []
        return [
            Source("soc", Channel(name, quantity), lambda: (self._world.values[f"{quantity}/{name}"], 0.0))
        ]

    def waiting(self, pattern: str) -> Sequence[str]:
        return []


class _Knobs:
    version = 1

    def __init__(self, world: World) -> None:
        self._world = world

    def find(self, pattern: str) -> list[Knob]:
        knobs = [self._world.big, self._world.little]
        return [knob for knob in knobs if pattern in ("cpu/*", f"cpu/{knob.info.name}")]


def _guard(name: str, channel: str, limit: float, **actions: Any) -> GuardConfig:
    return GuardConfig(
        name=name,
        channel=f"soc/{channel}",
        limit=limit,
        release=limit - 5,
        hold_s=0,
        stale_s=2,
        actions={f"cpu/{knob}": value for knob, value in (actions or {"*": "lowest"}).items()},
    )


_HEAT = _guard("heat", "temperature/cpu", 90, **{"*": 1e9})
_FEED = _guard("feed", "power/in", 10, **{"big-max": 6e8})


@pytest.fixture
def world() -> World:
    made = World()
    made.guard(_HEAT, _FEED)
    made.pass_s()
    assert made.holds(None, None)
    return made


def test_the_lowest_of_what_several_ask_for_holds_as_long_as_each_asks(world: World) -> None:
    world.pass_s(temperature=91.0)
    assert world.holds(1e9, 1e9) and world.guards.acting == 1
    world.pass_s(power=11.0)
    assert world.holds(6e8, 1e9) and world.guards.acting == 2
    world.pass_s(temperature=80.0)
    assert world.holds(6e8, None)
    world.pass_s(power=5.0)
    assert world.holds(None, None) and world.guards.acting == 0
    assert world.reports.kinds == ["guard-began", "guard-began", "guard-ended", "guard-ended"]
    does = "cpu/big-max at most 1e+09, cpu/little-max at most 1e+09"
    assert world.reports.messages[0] == f"guard heat: soc/temperature/cpu is 91, above 90; {does}"
    assert world.reports.messages[2].startswith("guard heat: it is at 85 or below after ")


def test_an_action_below_the_lowest_is_the_lowest(world: World) -> None:
    world.guard(_guard("heat", "temperature/cpu", 90, **{"*": 1.0}))
    world.pass_s(temperature=91.0)
    assert world.holds(4e8, 4e8)


def test_a_fault_is_acted_upon_after_its_time(world: World) -> None:
    world.pass_s(1.5, temperature=Fault("gone"))
    assert world.holds(None, None)
    world.pass_s(1.0)
    assert world.holds(1e9, 1e9)
    assert "was last read 2 s ago: gone" in world.reports.messages[0]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda world: setattr(world.big, "stuck", "locked"), "cpu/big-max: locked"),
        (
            lambda world: world.guard(_guard("heat", "temperature/cpu", 90, gone=1.0)),
            "cpu/gone: there is no such",
        ),
    ],
)
def test_what_has_no_effect_is_told_once(world: World, change: Callable[[World], None], why: str) -> None:
    change(world)
    world.pass_s(10.0, temperature=91.0)
    assert world.reports.kinds == ["guard-began", "guard-powerless"]
    assert why in world.reports.messages[1]


def test_a_change_of_the_configuration_lets_go_of_what_is_not_asked_for_any_more(world: World) -> None:
    world.pass_s(temperature=91.0, power=11.0)
    world.guard(_FEED)
    world.pass_s()
    assert world.holds(6e8, None)
    assert world.reports.kinds == ["guard-began", "guard-began", "guard-ended"]
    world.guard(msgspec.structs.replace(_FEED, limit=20.0))
    world.pass_s()
    assert world.holds(None, None)


def test_after_the_process_stood_still_no_sensor_is_blamed() -> None:
    world = World()
    world.guard(_HEAT)
    world.pass_s()
    world.values["temperature/cpu"] = Fault("too old to act upon")
    world.now_s += 60
    world.pass_s(1.5)
    assert world.holds(None, None)
    world.pass_s(1.5)
    assert world.holds(1e9, 1e9), "but it has its time to be read, and no more"


def test_what_was_never_there_is_acted_upon() -> None:
    world = World()
    world.guard(_guard("heat", "temperature/none", 90))
    world.pass_s(3.0)
    assert world.holds(4e8, 4e8) and world.guards.acting == 1
    assert "nothing that matches soc/temperature/none has been read" in world.reports.messages[0]
