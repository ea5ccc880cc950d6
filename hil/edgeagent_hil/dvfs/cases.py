"""Runs for many boards, workloads and governors, in several processes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import msgspec

from edgeagent_hil.dvfs.boards import Board, board
from edgeagent_hil.dvfs.clairvoyant import Clairvoyant
from edgeagent_hil.dvfs.contestants import CLAIRVOYANT, contestant
from edgeagent_hil.dvfs.judge import Score, judge
from edgeagent_hil.dvfs.scenario import Gap, Scenario
from edgeagent_hil.dvfs.simulator import Run, run
from edgeagent_hil.dvfs.workloads import scenario
from edgeagent_sdk.errors import EdgeError

#: More would only wait for each other on the machines this is made for.
_PROCESSES = 2


class Case(NamedTuple):
    """One board and one workload, for all governors alike.

    Args:
        board: a name, or the path of a ``.toml`` file.
        governors: names of contestants.
        data: folder of recorded arrivals.
        gaps: when sensors tell nothing.
    """

    board: str
    workload: str
    governors: Sequence[str]
    duration_s: int
    seed: int
    data: Path | None
    gaps: tuple[Gap, ...] = ()


class Track(msgspec.Struct, frozen=True):
    """What a run was like over time, one value a second.

    Attributes:
        over_k: of the temperature nearest to its limit; negative below it.
        clock_share: of the foreground's highest clock.
    """

    power_w: list[float]
    cap_w: list[float]
    over_k: list[float]
    clock_share: list[float]


class Result(msgspec.Struct, frozen=True):
    """How a governor did.

    Attributes:
        ratio: its energy for a unit to the clairvoyant's; None if that one did not run.
        note: what one must know of the scenario.
        proof: of the clairvoyant: how near to the least it is proved to be.
    """

    board: str
    workload: str
    governor: str
    score: Score
    ratio: float | None
    note: str
    proof: str
    track: Track


def results(cases: Sequence[Case]) -> Iterator[list[Result]]:
    """The results of each case, in their order, as soon as they are there.

    Raises:
        EdgeError: a board, workload or governor that is none.
    """
    workers = min(_PROCESSES, os.cpu_count() or 1, len(cases))
    if workers < 2:
        yield from map(_play, cases)
        return
    with ExitStack() as stack:
        pool = stack.enter_context(ProcessPoolExecutor(workers))
        stack.callback(pool.shutdown, wait=True, cancel_futures=True)  # at Ctrl-C, or when one fails
        yield from pool.map(_play, cases)


def _play(case: Case) -> list[Result]:
    """All governors of one case; they meet the same future."""
    plant = board(case.board)
    future = scenario(case.workload, plant, seed=case.seed, duration_s=case.duration_s, data=case.data)
    future = replace(future, gaps=case.gaps)
    runs, proofs = {}, {}
    for name in case.governors:
        runs[name], proofs[name] = _run(name, plant, future)
    scores = {name: judge(done) for name, done in runs.items()}
    least_j = scores[CLAIRVOYANT].unit_j if CLAIRVOYANT in scores else None
    return [
        Result(
            board=plant.name,
            workload=case.workload,
            governor=name,
            score=scores[name],
            ratio=scores[name].unit_j / least_j if least_j else None,
            note=future.note,
            proof=proofs[name],
            track=_track(done),
        )
        for name, done in runs.items()
    ]


def _run(name: str, plant: Board, future: Scenario) -> tuple[Run, str]:
    """One run, and the proof of a clairvoyant; what a governor does wrong is told as its own mistake.

    Raises:
        EdgeError: it did something wrong.
    """
    make = contestant(name)
    try:
        governor = make(plant, future)
        proof = governor.optimum.proof if isinstance(governor, Clairvoyant) else ""
        return run(plant, future, governor), proof
    except EdgeError:
        raise
    except Exception as error:
        raise EdgeError(
            f"governor {name!r} on {plant.name!r}, {future.name!r}: {type(error).__name__}: {error}"
        ) from error


def _track(done: Run) -> Track:
    foreground = done.board.foreground
    top_hz = done.board.parts[foreground].clock_hz[-1]
    return Track(
        power_w=[second.power_w for second in done.seconds],
        cap_w=[second.cap_w for second in done.seconds],
        over_k=[second.over_k for second in done.seconds],
        clock_share=[second.clock_hz[foreground] / top_hz for second in done.seconds],
    )
