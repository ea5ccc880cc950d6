"""The limit: what one could do who knew the plant and the future.

`Clairvoyant` plays, as any governor does, the schedule that `optimum` finds; the README of the baselines has
what it is exactly, how good it is proved to be, and where it is not proved.
"""

from __future__ import annotations

from edgeagent_hil.dvfs.boards import Board
from edgeagent_hil.dvfs.clairvoyant.search import TICK_S, Optimum, optimum
from edgeagent_hil.dvfs.scenario import Scenario
from edgeagent_sdk.governor import Decision, Observation

__all__ = ["Clairvoyant", "Optimum", "optimum"]


class Clairvoyant:
    """The governor of those who know everything.

    Attributes:
        optimum: what it plays.
    """

    tick_s = TICK_S

    def __init__(self, board: Board, scenario: Scenario) -> None:
        self.optimum = optimum(board, scenario)
        self._clocks_hz = [
            tuple(part.clock_hz[k] for part, k in zip(board.parts, points, strict=True))
            for points in self.optimum.points.tolist()
        ]

    def decide(self, seen: Observation) -> Decision:
        """The clocks of this tick."""
        tick = min(round(seen.time_s / self.tick_s), len(self._clocks_hz) - 1)
        return Decision(self._clocks_hz[tick], "the future")
