"""What the guards do: actuators held at the lowest of what all that act ask for, until none asks any more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from edgeagent.guard.settings import GuardConfig
from edgeagent_sdk.driver import Actuators, Drive

#: An action has this long to show in what is read back.
_EFFECT_S: Final = 3.0


class Target(NamedTuple):
    """An actuator, and the most that it may be at."""

    drive: Drive
    value: float

    @property
    def name(self) -> str:
        """``device/actuator``."""
        return f"{self.drive.device}/{self.drive.info.name}"

    @property
    def obeyed(self) -> bool:
        """Whether it was found there when it was read back."""
        value = self.drive.state.value
        return value is not None and value <= self.value + max(self.drive.info.step, 1e-9 * abs(self.value))

    @property
    def trouble(self) -> str:
        """Why it may not be there."""
        state = self.drive.state
        seen = "its device does not answer" if state.value is None else f"it was last seen at {state.value:g}"
        return state.fault or seen


class Actions:
    """Those of all guards."""

    def __init__(self, actuators: Actuators) -> None:
        self._actuators = actuators
        self._version = -1
        self._drives: dict[str, Sequence[Drive]] = {}
        self._held: dict[str, Target] = {}
        self._since_s: dict[str, float] = {}

    def targets(self, guard: GuardConfig) -> Iterator[Target]:
        """What a guard's actions come to on the actuators that there are now."""
        for pattern, value in guard.actions.items():
            for drive in self._found(pattern):
                lowest = drive.info.minimum
                yield Target(drive, lowest if value == "lowest" else max(lowest, float(value)))

    def hold(self, acting: Sequence[GuardConfig], now_s: float) -> None:
        """Hold what these ask for, and let the rest go."""
        wanted: dict[str, Target] = {}
        for guard in acting:
            for target in self.targets(guard):
                before = wanted.get(target.name)
                if before is None or target.value < before.value:
                    wanted[target.name] = target
        for name, target in self._held.items():
            if name not in wanted:
                target.drive.let_go()
        for name, target in wanted.items():
            held = self._held.get(name)
            if held is None or held.value != target.value:
                self._since_s[name] = now_s
            target.drive.drive(target.value, insist=True)
        self._held = wanted
        self._since_s = {name: since_s for name, since_s in self._since_s.items() if name in wanted}

    def disobeyed(self, guard: GuardConfig, now_s: float) -> Mapping[str, str]:
        """Which of a guard's actions have not shown in time, and why."""
        return {
            target.name: target.trouble
            for target in self.targets(guard)
            if not target.obeyed and now_s - self._since_s.get(target.name, now_s) > _EFFECT_S
        } | {pattern: "there is no such actuator" for pattern in guard.actions if not self._found(pattern)}

    def _found(self, pattern: str) -> Sequence[Drive]:
        if self._version != self._actuators.version:
            self._version, self._drives = self._actuators.version, {}
        if pattern not in self._drives:
            self._drives[pattern] = self._actuators.find(pattern)
        return self._drives[pattern]
