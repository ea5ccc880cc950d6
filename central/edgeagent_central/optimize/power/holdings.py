"""What actuators hold, as far as their nodes have told, and the most that they may hold meanwhile.

A command that has not been answered may have been carried out or not: until it is settled, the actuator may
hold either value. Numbers of commands rise; a node carries out those of one sender in their order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from edgeagent_central.optimize.power.tree import Array, Flags, Indices
from edgeagent_sdk.messages import Outcome

#: A command without an answer after this is taken for lost; an agent waits 2.5 s for a device.
REPLY_S: Final = 3.0


class Slot(NamedTuple):
    """An actuator that is told what to hold."""

    node: str
    device: str
    actuator: str


class Settled(NamedTuple):
    """The end of a command: what became of it, and what holds now if the node has told."""

    slot: int
    number: int
    outcome: Outcome
    holds: float | None
    why: str = ""


class Holdings:
    """Of n actuators.

    Attributes:
        slots: which they are.
        lowest: shape (n,), what each can be held to at least. What reports less holds no less; what reports 0
            and cannot hold 0 has no limit.
        held: shape (n,), what each has last told that it holds; NaN where it has not.
        answers: shape (n,), whether it has settled what it was told last, and obeys.
        told: shape (n,), what it was last told to hold; NaN for nothing.
        told_s: shape (n,), when.
        sure_s: shape (n,), when it was told what it has confirmed last: its lease runs from then on at least.
    """

    def __init__(self, slots: Sequence[Slot]) -> None:
        count = len(slots)
        self.slots = tuple(slots)
        self.lowest = np.full(count, -np.inf)
        self.held = np.full(count, np.nan)
        self.answers: Flags = np.zeros(count, bool)
        self.told = np.full(count, np.nan)
        self.told_s = np.full(count, -np.inf)
        self.sure_s = np.full(count, -np.inf)
        self.refused: dict[int, str] = {}
        self._open: dict[int, dict[int, tuple[float, float]]] = {}
        #: Numbers up to these were told to somebody who has forgotten them.
        self._newest, self._void = np.full(count, -1), np.full(count, -1)
        self.of_node: dict[str, list[int]] = {}
        for slot, where in enumerate(slots):
            self.of_node.setdefault(where.node, []).append(slot)
        self._nodes = list(self.of_node)
        places = {node: place for place, node in enumerate(self._nodes)}
        self._node: Indices = np.array([places[where.node] for where in slots], np.intp)

    @property
    def may(self) -> Array:
        """The most that each may hold now; NaN where nothing is known."""
        highest = self.held.copy()
        for slot, commands in self._open.items():
            highest[slot] = np.maximum(highest[slot], max(value for value, _ in commands.values()))
        return highest

    def open_of(self, slots: Indices) -> bool:
        """Whether any of these has been told something that it has not answered, and still may in time."""
        return any(int(slot) in self._open for slot in slots)

    def unsettled(self) -> Flags:
        """Who has not answered yet; shape (n,)."""
        flags = np.zeros(len(self.slots), bool)
        flags[list(self._open)] = True
        return flags

    def tell(self, slot: int, number: int, value: float, at_s: float) -> None:
        """It has been told to hold `value`."""
        self._open.setdefault(slot, {})[number] = value, at_s
        self._newest[slot] = number
        self.told[slot], self.told_s[slot] = value, at_s

    def settle(self, end: Settled) -> None:
        """It has answered."""
        if end.number <= self._void[end.slot]:
            return
        commands = self._open.get(end.slot, {})
        value, told_s = commands.get(end.number, (np.nan, -np.inf))
        if end.outcome in (Outcome.APPLIED, Outcome.CLAMPED):
            # One that somebody keeps lower may come up to what it was lent at any time.
            holds = np.nan if end.holds is None else self._believed(end.slot, end.holds)
            self.held[end.slot] = np.fmax(value, holds)
            self.answers[end.slot] = True
            self.sure_s[end.slot] = max(self.sure_s[end.slot], told_s)
            self.refused.pop(end.slot, None)
            left = {number: each for number, each in commands.items() if number > end.number}
        else:
            left = {number: each for number, each in commands.items() if number != end.number}
            if left:  # one that came after it has taken its place, or may yet give it back
                self.held[end.slot] = np.maximum(self.held[end.slot], value)
            else:
                self.answers[end.slot] = False
                self.refused[end.slot] = f"{end.outcome}: {end.why}"
        self._replace(end.slot, left)

    def found(self, slot: int, *values: float) -> None:
        """Asked, it has told that it holds, or may hold, one of `values`."""
        self.held[slot] = max(self._believed(slot, value) for value in values)
        self.answers[slot] = True
        self.refused.pop(slot, None)

    def let_go(self, slot: int) -> None:
        """Its lease was ended: it may hold whatever it likes, and nothing is renewed."""
        self.held[slot], self.told[slot] = np.inf, np.nan

    def forget(self, slots: Sequence[int] | None = None) -> None:
        """Nothing is known of these any more; None for all."""
        for slot in range(len(self.slots)) if slots is None else slots:
            self.held[slot], self.answers[slot], self.told_s[slot] = np.nan, False, -np.inf
            self.told[slot], self.sure_s[slot], self._void[slot] = np.nan, -np.inf, self._newest[slot]
            self._open.pop(slot, None)

    def lost(self, at_s: float) -> Iterator[int]:
        """Give up on answers that are overdue: what was told may hold, or not. Those that are silent."""
        for slot, commands in list(self._open.items()):
            overdue = [value for value, told_s in commands.values() if at_s - told_s > REPLY_S]
            if overdue:
                self.held[slot] = np.maximum(self.held[slot], max(overdue))
                self.answers[slot] = False
                self._replace(slot, {n: each for n, each in commands.items() if at_s - each[1] <= REPLY_S})
                yield slot

    def silent(self) -> list[str]:
        """The nodes of those that do not answer."""
        return [self._nodes[place] for place in np.unique(self._node[~self.answers]).tolist()]

    def silence(self, slots: Sequence[int]) -> None:
        """Their node is known to be away."""
        self.answers[list(slots)] = False

    def _believed(self, slot: int, value: float) -> float:
        """What one that reports `value` may hold."""
        lowest = float(self.lowest[slot])
        return np.inf if value <= 0 < lowest else max(value, lowest)

    def _replace(self, slot: int, commands: dict[int, tuple[float, float]]) -> None:
        if commands:
            self._open[slot] = commands
        else:
            self._open.pop(slot, None)
