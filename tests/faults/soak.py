"""``make soak``: faults in random order on a running loop, and the count of what became of every reading.

SOAK_S sets the seconds (900), SEED repeats a run.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.faults.rig import Rig, rig
from tests.faults.table import FAULTS, OUTAGES, Fault
from tests.faults.verdict import Verdict

_AGENTS = 3


def soak(directory: Path, seconds: float, seed: int, *, say: bool = True) -> Verdict:
    """Put faults on a loop of three agents for `seconds`; the verdict once everything has settled.

    Every third time two come at once, or one on the heels of another.
    """
    random_ = random.Random(seed)
    with rig(directory) as loop, ThreadPoolExecutor() as pool:
        for i in range(_AGENTS):
            loop.start_agent(f"n{i}", interval_s=random_.choice((0.05, 0.1, 0.2)))
        begun = time.monotonic()
        while (at := time.monotonic() - begun) < seconds:
            loop.run_for(random_.uniform(0.5, 3.0))
            names = [random_.choice(list(FAULTS))]
            if random_.random() < 1 / 3:
                names = random_.sample(list(OUTAGES), 2)
            if say:
                print(f"{at:6.1f} s  {' + '.join(names):40} {loop.produced():8} passes produced", flush=True)
            pauses = [0.0, random_.uniform(0.0, 2.0)]
            seeds = [random.Random(random_.random()) for _ in names]
            tasks = [
                pool.submit(_after, pause, FAULTS[name], loop, own)
                for name, pause, own in zip(names, pauses, seeds, strict=False)
            ]
            for task in tasks:
                task.result()
        loop.run_for(2.0)
        return loop.settle(120.0)


def _after(pause_s: float, fault: Fault, loop: Rig, random_: random.Random) -> None:
    time.sleep(pause_s)
    fault(loop, random_)


def main() -> int:
    """Run and print; exit code 1 if the promise was broken."""
    seconds = float(os.environ.get("SOAK_S", "900"))
    seed = int(os.environ.get("SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"soak: {seconds:g} s, SEED={seed}", flush=True)
    directory = Path(tempfile.mkdtemp(prefix="edgeagent-soak-"))
    verdict = soak(directory, seconds, seed)
    print(verdict)
    if not verdict.kept:
        print(f"the promise was broken; logs are in {directory}; SEED={seed} repeats the order of faults")
    return 0 if verdict.kept else 1


if __name__ == "__main__":
    sys.exit(main())
