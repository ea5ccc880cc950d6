"""What a schedule draws, and how warm it makes a board: the plant's own formulas, tick by tick."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from edgeagent_hil.dvfs.boards import Board
from edgeagent_hil.dvfs.plant import Plant
from edgeagent_hil.dvfs.scenario import Activity, Scenario
from edgeagent_hil.twin.units import Array, Indices


class Replay(NamedTuple):
    """Of t ticks and p parts.

    Attributes:
        junction_c: shape (t, p), at the beginning of each tick.
        part_w: shape (t, p).
        dc_w, meter_w: shape (t,), of the machine.
    """

    junction_c: Array
    part_w: Array
    dc_w: Array
    meter_w: Array


def replay(board: Board, scenario: Scenario, points: Indices, busy_w: Array, tick_s: float) -> Replay:
    """Run a schedule.

    Args:
        points, busy_w: shape (t, p); the latter is what a part draws for being busy.
        tick_s: no longer than the plant's own steps of temperature.
    """
    plant = Plant(board, scenario.ambient_c.at(0.0), scenario.fouling.at(0.0), scenario.before)
    core_w = np.stack(
        [np.array(part.core_w)[row] for part, row in zip(board.parts, points.T, strict=True)], axis=1
    )
    active = busy_w / core_w
    asleep = [0.0] * len(board.parts)
    junction_c, part_w, meter_w = [], [], []
    for tick, (row, cores) in enumerate(zip(points.tolist(), active.tolist(), strict=True)):
        junction_c.append(plant.junction_c)
        drawn_w, parts_w = plant.draw(Activity(tuple(row), asleep, tuple(cores)), tick_s)
        part_w.append(parts_w)
        meter_w.append(drawn_w)
        now_s = (tick + 1) * tick_s
        plant.warm(scenario.ambient_c.at(now_s), scenario.fouling.at(now_s))
    at_meter_w = np.array(meter_w)
    return Replay(np.array(junction_c), np.array(part_w), Meter(board).dc_w(at_meter_w), at_meter_w)


class Meter:
    """Between a board's direct current and its meter, which may stand before the supply."""

    def __init__(self, board: Board) -> None:
        self._loss = board.plant.supplies.loss[:, 0] if board.ac else np.zeros(3)
        self._rated_w = float(board.plant.supplies.rated_w[0])

    def dc_w(self, meter_w: Array) -> Array:
        """What the board draws itself while the meter shows `meter_w`: the inverse of a quadratic.

        Infinite where that is.
        """
        k0, k1, k2 = self._loss
        linear, constant = 1 + k1, k0 * self._rated_w - np.where(np.isinf(meter_w), 0.0, meter_w)
        if not k2:
            found = -constant / linear
        else:
            square = k2 / self._rated_w
            found = (np.sqrt(np.maximum(linear**2 - 4 * square * constant, 0.0)) - linear) / (2 * square)
        return np.where(np.isinf(meter_w), np.inf, found)

    def marginal(self, dc_w: Array) -> Array:
        """How much more the meter shows for each watt more."""
        _, k1, k2 = self._loss
        more: Array = 1 + k1 + 2 * k2 * dc_w / self._rated_w
        return more
