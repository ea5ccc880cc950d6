"""The baselines as contestants: what a practitioner sets up on a board, ready to run.

None of them knows of caps by itself: where there is one, the capper stands above it.
"""

from __future__ import annotations

from math import inf

from edgeagent_hil.dvfs.baselines.allocator import PowerAllocator
from edgeagent_hil.dvfs.baselines.capped import Capper
from edgeagent_hil.dvfs.baselines.cpufreq import (
    Conservative,
    Cpufreq,
    Ondemand,
    Performance,
    Powersave,
    Schedutil,
)
from edgeagent_hil.dvfs.baselines.limited import Limited
from edgeagent_hil.dvfs.baselines.stepwise import StepWise
from edgeagent_hil.dvfs.baselines.told import energy_model
from edgeagent_hil.dvfs.boards import Board
from edgeagent_hil.dvfs.scenario import Scenario
from edgeagent_sdk.governor import Governor, Machine

#: A governor that only keeps ceilings need not be asked more often than these change.
_SLOW_S = 0.1


def performance(board: Board, scenario: Scenario) -> Governor:
    """``performance`` with ``step_wise``."""
    return _cooled(board.machine, scenario, Cpufreq(board.machine, Performance, tick_s=_SLOW_S))


def powersave(board: Board, scenario: Scenario) -> Governor:
    """``powersave``; nothing that limits could lower its clocks."""
    return Cpufreq(board.machine, Powersave, tick_s=_SLOW_S)


def ondemand(board: Board, scenario: Scenario) -> Governor:
    """``ondemand`` with ``step_wise``."""
    return _cooled(board.machine, scenario, Cpufreq(board.machine, Ondemand))


def conservative(board: Board, scenario: Scenario) -> Governor:
    """``conservative`` with ``step_wise``."""
    return _cooled(board.machine, scenario, Cpufreq(board.machine, Conservative))


def schedutil(board: Board, scenario: Scenario) -> Governor:
    """``schedutil`` with ``step_wise``."""
    return _cooled(board.machine, scenario, Cpufreq(board.machine, Schedutil))


def power_allocator(board: Board, scenario: Scenario) -> Governor:
    """``schedutil`` with the power allocator."""
    machine = board.machine
    allocator = PowerAllocator(machine, energy_model(board))
    return _capped(machine, scenario, Limited(machine, Cpufreq(machine, Schedutil), allocator))


def _cooled(machine: Machine, scenario: Scenario, inner: Governor) -> Governor:
    return _capped(machine, scenario, Limited(machine, inner, StepWise(machine)))


def _capped(machine: Machine, scenario: Scenario, inner: Governor) -> Governor:
    return inner if min(scenario.cap_w.values) == inf else Limited(machine, inner, Capper(machine))
