"""A made-up site of real work: what each server would draw, second by second, if nothing held it.

Two fifths of the servers serve language models, in groups that each get the request trace, begun at another
second; two fifths train, in synchronous jobs of many servers that pause together for checkpoints; one fifth
runs batch jobs, one after another. What jobs draw and how they slow down is from the Zeus trace, job by
job.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np

from edgeagent_central.optimize.power.backtest import zeus
from edgeagent_central.optimize.power.backtest.feed import DECODE_SERVERS, PREFILL_SERVERS, Feed
from edgeagent_central.optimize.power.backtest.zeus import Job
from edgeagent_central.optimize.power.profiles import Profile, shipped
from edgeagent_central.optimize.power.tree import Array, Indices

#: A server: four V100 and what stands around them.
GPUS: Final = 4
IDLE_W: Final = GPUS * zeus.IDLE_W + 220.0
MAX_W: Final = GPUS * zeus.MAX_W + 220.0
#: With the clocks locked to the lowest that holds, whatever runs. An estimate from the card's operating
#: points.
MIN_W: Final = GPUS * 60.0 + 220.0

SERVING_SHARE: Final = 0.4
TRAINING_SHARE: Final = 0.4


class Part(Protocol):
    """Some servers with one sort of work.

    Attributes:
        kinds: each server's class of work, by name.
        truth: each server's own profile.
        weight: by priority.
    """

    @property
    def kinds(self) -> Sequence[str]: ...
    @property
    def truth(self) -> Sequence[Profile]: ...
    @property
    def weight(self) -> float: ...

    def busy(self, second: int) -> Array:
        """Share of each server's range that it would use; the same for the same second, in any order."""
        ...


class Serving:
    """Groups of prefill and decode servers, each with a feed of its own."""

    weight = 4.0
    #: Decoding is bound by memory and draws about a third of the limit (POLCA, ASPLOS '24).
    _base, _span, _prefill = 0.10, 0.30, 0.95

    def __init__(self, servers: int, feed: Feed, rng: np.random.Generator) -> None:
        self._load = np.concatenate((feed.prefill, feed.decode), axis=1)
        group = PREFILL_SERVERS + DECODE_SERVERS
        self._place = np.arange(servers) % group
        self._offset = np.repeat(rng.integers(0, len(self._load), servers // group + 1), group)[:servers]
        self._decodes = self._place >= PREFILL_SERVERS
        self.kinds = ["decode" if decodes else "prefill" for decodes in self._decodes]
        self.truth = [shipped()[kind] for kind in self.kinds]

    def busy(self, second: int) -> Array:
        """See `Part`."""
        served = self._load[(second + self._offset) % len(self._load), self._place]
        decoding = (served > 0) * self._base + self._span * served
        return np.where(self._decodes, decoding, self._prefill * served)


class Training:
    """Synchronous jobs of 8 to 256 servers; all servers of one pause at once."""

    weight = 2.0
    _sizes = (8, 16, 32, 64, 128, 256)
    _pause_every_s, _pause_s, _pause_share = (600.0, 1800.0), (15.0, 45.0), 0.15
    #: Iterations end at other moments of each second.
    _noise = 0.02

    def __init__(self, servers: int, jobs: Sequence[Job], rng: np.random.Generator, seed: int) -> None:
        sizes = rng.choice(self._sizes, servers)  # more than needed
        of_server = np.repeat(np.arange(servers), sizes)[:servers]
        chosen = rng.integers(0, len(jobs), servers)
        self._share = _shares(jobs)[chosen][of_server]
        self._every_s = rng.uniform(*self._pause_every_s, servers)[of_server]
        self._lasts_s = rng.uniform(*self._pause_s, servers)[of_server]
        self._phase_s = rng.uniform(0.0, self._pause_every_s[1], servers)[of_server]
        self._seed = seed
        self.kinds = ["training"] * servers
        self.truth = [jobs[job].profile for job in chosen[of_server]]

    def busy(self, second: int) -> Array:
        """See `Part`."""
        noise = np.random.default_rng((self._seed, second)).normal(1.0, self._noise, len(self._share))
        pausing = (second + self._phase_s) % self._every_s < self._lasts_s
        return self._share * np.where(pausing, self._pause_share, noise)


class Batch:
    """Job after job, with gaps."""

    weight = 1.0
    _job_s, _gap_s = (60.0, 600.0), (20.0, 240.0)

    def __init__(self, servers: int, jobs: Sequence[Job], rng: np.random.Generator) -> None:
        chosen = rng.integers(0, len(jobs), servers)
        self._share = _shares(jobs)[chosen]
        self._length_s = rng.uniform(*self._job_s, servers)
        self._every_s = self._length_s + rng.uniform(*self._gap_s, servers)
        self._phase_s = rng.uniform(0.0, 1.0, servers) * self._every_s
        self.kinds = ["batch"] * servers
        self.truth = [jobs[job].profile for job in chosen]

    def busy(self, second: int) -> Array:
        """See `Part`."""
        return self._share * ((second + self._phase_s) % self._every_s < self._length_s)


class World:
    """n servers and their work.

    Attributes:
        kinds: shape (n,), each server's class of work, by name.
        weight: shape (n,).
        profiles, truth: what there is, and each server's own, as an index of shape (n,).
    """

    def __init__(self, servers: int, feed: Feed, jobs: Sequence[Job], seed: int) -> None:
        rng = np.random.default_rng(seed)
        serving, training = round(servers * SERVING_SHARE), round(servers * TRAINING_SHARE)
        counts = serving, training, servers - serving - training
        self._parts: list[Part] = [
            Serving(counts[0], feed, rng),
            Training(counts[1], jobs, rng, seed),
            Batch(counts[2], jobs, rng),
        ]
        #: Racks hold servers of one sort or another, as they were bought.
        self._order = _blocks(servers, rng)
        truth = [profile for part in self._parts for profile in part.truth]
        names = {profile.name: profile for profile in truth}
        places = {name: place for place, name in enumerate(names)}
        self.profiles = tuple(names.values())
        self.truth: Indices = np.array([places[profile.name] for profile in truth], np.intp)[self._order]
        kinds = np.array([kind for part in self._parts for kind in part.kinds])
        self.kinds: list[str] = kinds[self._order].tolist()
        weight = np.concatenate(
            [np.full(n, part.weight) for n, part in zip(counts, self._parts, strict=True)]
        )
        self.weight: Array = weight[self._order]

    def demand_w(self, second: int) -> Array:
        """What each server would draw; shape (n,). The same for the same second, in any order."""
        busy = np.concatenate([part.busy(second) for part in self._parts])[self._order]
        wanted_w: Array = IDLE_W + np.clip(busy, 0.0, 1.0) * (MAX_W - IDLE_W)
        return wanted_w


def _shares(jobs: Sequence[Job]) -> Array:
    """What each job draws, as a share of a server's range."""
    return np.array([(job.power_w - zeus.IDLE_W) / (zeus.MAX_W - zeus.IDLE_W) for job in jobs])


def _blocks(servers: int, rng: np.random.Generator, size: int = 24) -> Indices:
    """An order that keeps blocks of servers together and mixes the blocks."""
    block = np.arange(servers) // size
    place = rng.permutation(int(block[-1]) + 1)[block]
    return np.argsort(place, kind="stable")
