"""What the servers are asked to do: a seeded mix of training, inference and batch."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from edgeagent_hil.twin.units import Array
from edgeagent_hil.twin.workload import Workload


class Class(NamedTuple):
    """A class of work.

    Args:
        profile: the optimizer's word for it.
        priority: as in site.toml.
    """

    name: str
    profile: str
    priority: int


TRAINING: Final = Class("training", "training", 2)
INFERENCE: Final = Class("inference", "prefill", 3)
BATCH: Final = Class("batch", "batch", 1)

#: What server number i runs is the (i mod 4)th.
_ROTA: Final = (TRAINING, TRAINING, INFERENCE, BATCH)

#: A training job computes, then writes a checkpoint; mean lengths in s and demands.
_COMPUTE_S, _COMPUTE = 45.0, 0.97
_CHECKPOINT_S, _CHECKPOINT = 4.0, 0.25

#: Servers of one training job go in step.
_JOB: Final = 4

#: Batch jobs are of all sizes; each is another level of demand for so long, in the mean.
_BATCH_S: Final = 20.0
_BATCH_LEVELS: Final = (0.55, 1.0)


def class_of(server: int) -> Class:
    """What a server runs."""
    return _ROTA[server % len(_ROTA)]


class Mix:
    """Demand of all servers; both packages of one work alike.

    Training is high but for the checkpoints, inference wanders within seconds, batch goes in steps.

    Args:
        shape: components, servers.
        seed: equal seeds, equal demands.
    """

    def __init__(self, shape: tuple[int, int], seed: int) -> None:
        self._inference = Workload(shape, seed, mean=0.85, deviation=0.12, tau_s=8.0)
        self._shape, self._random = shape, np.random.default_rng((seed, 1))
        servers = range(shape[1])
        self._training = np.array([class_of(i) is TRAINING for i in servers])
        self._batch = np.array([class_of(i) is BATCH for i in servers])
        count = int(self._training.sum())
        self._job = np.arange(count) // _JOB
        jobs = -(-count // _JOB)
        self._computes = np.ones(jobs, bool)
        self._until_s = self._random.uniform(0.0, _COMPUTE_S, jobs)
        self._level = self._random.uniform(*_BATCH_LEVELS, int(self._batch.sum()))

    def next(self, dt_s: float) -> Array:
        """Demand during the next step; shape (c, n)."""
        demand = self._inference.next(dt_s)[0].copy()
        demand[self._training] = self._train(dt_s)[self._job]
        demand[self._batch] = self._work_off(dt_s)
        return np.broadcast_to(demand, self._shape)

    def _train(self, dt_s: float) -> Array:
        """Of each job; shape (jobs,)."""
        self._until_s -= dt_s
        over = self._until_s <= 0
        self._computes ^= over
        lengths_s = np.where(self._computes, _COMPUTE_S, _CHECKPOINT_S)
        fresh_s = lengths_s * self._random.uniform(0.7, 1.3, len(over))
        self._until_s = np.where(over, fresh_s, self._until_s)
        return np.where(self._computes, _COMPUTE, _CHECKPOINT)

    def _work_off(self, dt_s: float) -> Array:
        """Of each server of batch jobs."""
        count = len(self._level)
        over = self._random.random(count) < dt_s / _BATCH_S
        self._level = np.where(over, self._random.uniform(*_BATCH_LEVELS, count), self._level)
        return self._level
