"""What a board's maker tells the kernel for its power allocator: energy model and sustainable power."""

from __future__ import annotations

from edgeagent_hil.dvfs.baselines.allocator import CONTROL_K, EnergyModel
from edgeagent_hil.dvfs.boards import Board
from edgeagent_hil.dvfs.plant import Plant
from edgeagent_hil.dvfs.scenario import Activity

#: Where boards are characterised, °C.
_ROOM_C = 25.0

_HALVINGS = 12


def energy_model(board: Board) -> EnergyModel:
    """Of each operating point what all cores draw (Linux's model has no leakage), and what can be kept up."""
    power_w = [[part.awake_w + part.cores * core_w for core_w in part.core_w] for part in board.parts]
    return EnergyModel(power_w, _sustainable_w(board, sum(points_w[-1] for points_w in power_w)))


def _sustainable_w(board: Board, most_w: float) -> float:
    """The power at which the hottest part is at its control temperature, all busy for the same share."""
    low, high = 0.0, 1.0
    if _room_k(board, high) > CONTROL_K:
        return most_w
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if _room_k(board, middle) > CONTROL_K:
            low = middle
        else:
            high = middle
    return most_w * high


def _room_k(board: Board, share: float) -> float:
    """How far below its limit the hottest part settles, all of them busy for a share of the time."""
    points = [len(part.clock_hz) - 1 for part in board.parts]
    active = [share * part.cores for part in board.parts]
    plant = Plant(board, _ROOM_C, before=Activity(points, [share] * len(active), active))
    return min(part.limit_c - warm_c for part, warm_c in zip(board.parts, plant.junction_c, strict=True))
