"""Governors of clocks on twin boards, in virtual time.

    from edgeagent_hil.dvfs import board, judge, run, scenario

    plant = board("rk3399")                           # or the path of a .toml file
    future = scenario("periodic", plant, seed=1)      # all that will happen: arrivals, cycles, ambient, cap …
    print(judge(run(plant, future, MyGovernor(plant.machine))))

Who takes part is listed in `contestants`: baselines and installed governors are ``Machine -> Governor`` and
see only what a real one would; the clairvoyant is ``(Board, Scenario) -> Governor``: it may look at
the plant (`Board.parts`, `Board.plant`, `plant.Plant` itself to try things out) and at the whole future
(`Scenario.streams` with arrival, cycles and memory time of each unit; `ambient_c`, `fouling`, `cap_w`).

How time goes: at a tick of the governor it sees and decides; its clocks hold from that instant to the next
tick. Units are worked off exactly, first come, first served, one at a time for each stream, on all its
threads; power is exact while clocks stand still; temperatures move every 0.1 s. Steps of the cap fall on
whole seconds, where ticks fall as well, so whoever obeys at once is never over it. All threads of a stream's
unit are busy alike, and the streams of the workloads here use all cores of their domain: the mean over a
domain's cores is also what its busiest core does.
"""

from edgeagent_hil.dvfs.boards import Board, Part, board
from edgeagent_hil.dvfs.judge import Score, judge
from edgeagent_hil.dvfs.scenario import Scenario, Stream
from edgeagent_hil.dvfs.simulator import Run, run
from edgeagent_hil.dvfs.workloads import scenario

__all__ = ["Board", "Part", "Run", "Scenario", "Score", "Stream", "board", "judge", "run", "scenario"]
