"""Jobs of the Zeus trace: what each draws at each power limit, and how fast it then is."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from edgeagent_central.optimize.power.profiles import Profile, concave
from edgeagent_sdk.errors import EdgeError

FILE: Final = "gpu_power_limits/v100.csv"

#: A V100 board at rest, from the runs that hardly use it.
IDLE_W: Final = 40.0
MAX_W: Final = 250.0

#: Runs that draw less than this do not use the GPU enough to be steered.
_USED_W: Final = 80.0


class Job(NamedTuple):
    """A job on one V100: its draw without a limit, and its own profile."""

    name: str
    power_w: float
    profile: Profile


def read_jobs(data: Path) -> list[Job]:
    """The jobs of the trace below `data`.

    Raises:
        EdgeError: it is not there, or not of that shape.
    """
    path = data / FILE
    runs: defaultdict[str, dict[float, tuple[float, float]]] = defaultdict(dict)
    try:
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                name = "/".join(row[key] for key in ("network", "batch_size", "optimizer"))
                figures = float(row["time_per_epoch"]), float(row["average_power"])
                runs[name][float(row["power_limit"])] = figures
        jobs = [_job(name, limits) for name, limits in runs.items() if len(limits) > 3]
    except OSError as error:
        raise EdgeError(f"{path}: {(error.strerror or str(error)).lower()}; give --data the folder") from None
    except (KeyError, ValueError, TypeError) as error:
        raise EdgeError(f"{path}: not the Zeus trace: {error!r}") from None
    return [job for job in jobs if job.power_w > _USED_W]


def _job(name: str, limits: dict[float, tuple[float, float]]) -> Job:
    time_s, power_w = limits[max(limits)]
    figures = np.array([limits[limit] for limit in sorted(limits)])
    x = np.clip((figures[:, 1] - IDLE_W) / max(power_w - IDLE_W, 1e-9), 0.0, 1.0)
    return Job(name, power_w, concave(name, x, np.minimum(time_s / figures[:, 0], 1.0)))
