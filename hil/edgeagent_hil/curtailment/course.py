"""The course of a run: an order, then the optimizer and the broker are killed under it, and come back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from edgeagent_hil.curtailment.judge import Phase, Record
from edgeagent_hil.curtailment.plant import Meter, Plant, Recorder, mix, trees
from edgeagent_hil.curtailment.processes import Company
from edgeagent_hil.curtailment.stage import Stage
from edgeagent_hil.exposed import Runner

#: How much less the order asks for.
LESS: Final = 0.25

#: Who can be killed under the order, in this order.
VICTIMS: Final = ("optimizer", "broker")

#: The contract is for so much of what all servers draw at full load, so that caps bind.
_CONTRACT: Final = 0.85

#: The order is for longer than the run; it ends when it is taken back.
_ORDER_S: Final = 86400.0

#: What must come, comes within this, or the run is over.
_PATIENCE_S: Final = 120.0

#: A limit in watts is told in steps that differ by less.
_NEAR_W: Final = 1.0

#: Caps have risen again once their sum is so much above the fallbacks'.
_RISEN: Final = 1.02


class Course:
    """One run.

    Args:
        lease_s: how long caps hold unless they are renewed.
        phase_s: how long each phase lasts once what it waits for has come.
        victims: who is killed under the order, out of `VICTIMS`.
        say: takes a line for people.

    Attributes:
        contract_w: what the site may draw without any order.
    """

    def __init__(
        self,
        plant: Plant,
        home: Path,
        *,
        seed: int,
        lease_s: float,
        phase_s: float,
        victims: Collection[str] = VICTIMS,
        say: Callable[[str], None],
    ) -> None:
        self.contract_w = _CONTRACT * float(plant.peak_w.sum())
        self._plant, self._home, self._seed = plant, home, seed
        self._lease_s, self._phase_s, self._say = lease_s, phase_s, say
        self._victims = victims
        self._recorder = Recorder(plant.most_w)
        self._phases: list[Phase] = []
        self._baseline_w: tuple[float, float] | None = None
        self._behind_s = 0.0

    def record(self) -> Record:
        """What has happened so far."""
        return Record(self._phases, self._recorder.seconds, self._baseline_w, self._behind_s)

    def run(self) -> None:
        """From the start of all programs to their end.

        Raises:
            EdgeError: a program does not start, ends by itself, or does not do its part in time.
            KeyboardInterrupt: a signal tells us to end.
        """
        with Company() as company, self._twin() as runner:
            self._company, self._runner = company, runner
            stage = Stage(company, self._plant, self._home, self.contract_w, self._lease_s)
            broker = stage.start_broker()
            stage.start_aggregator()
            agents = stage.start_agents(self._home / "sys")
            self._say(f"{len(agents)} agents are online; the contract is {_kw(self.contract_w)}")
            from_s = runner.state.time_s
            optimizer = stage.start_optimizer()
            self._wait(lambda: self._beyond(self.contract_w), "the caps fit the contract")

            self._phase("before the order", self.contract_w)
            order = stage.optimizer.curtail(LESS, _ORDER_S)
            begun = self._phase_begins("order", self.contract_w, new=True)
            self._wait(lambda: "" if stage.optimizer.baseline_w(order) else "no baseline", "the order begins")
            baseline_w = stage.optimizer.baseline_w(order) or 0.0
            begun.limit_w = target_w = (1 - LESS) * baseline_w
            self._baseline_w = baseline_w, self._mean_w(from_s, begun.from_s)
            self._wait(lambda: self._not_fallen() and self._beyond(target_w), "the caps fit the order")
            self._hold(begun)

            for victim in (process for process in (optimizer, broker) if process.name in self._victims):
                victim.kill()
                self._phase(f"{victim.name} killed", target_w, self._not_fallen)
                victim.start()
                self._phase(f"{victim.name} back", target_w, self._not_risen)

            over = self._phase_begins("order over", self.contract_w)
            stage.optimizer.cancel(order)
            self._wait(lambda: self._below(target_w), "more is drawn again")
            self._hold(over)

    @contextmanager
    def _twin(self) -> Iterator[Runner]:
        plant, roots = self._plant, self._home / "sys"
        with ExitStack() as stack:
            devices = [stack.enter_context(tree) for tree in trees(plant, roots)]
            meter = stack.enter_context(Meter(roots / "feed"))
            runner = Runner(plant.site, mix(plant, self._seed), [*devices, meter, self._recorder])
            yield stack.enter_context(runner)

    def _phase(self, name: str, limit_w: float, not_yet: Callable[[], str] = lambda: "") -> None:
        """Begin a phase, wait for what it waits for, and hold it."""
        phase = self._phase_begins(name, limit_w)
        self._wait(not_yet, name)
        self._hold(phase)

    def _phase_begins(self, name: str, limit_w: float, *, new: bool = False) -> Phase:
        phase = Phase(name, self._runner.state.time_s, limit_w, new)
        self._phases.append(phase)
        self._say(name)
        return phase

    def _hold(self, phase: Phase) -> None:
        phase.reached_s = self._runner.state.time_s
        self._say(f"  settled after {phase.reached_s - phase.from_s:.1f} s, {_kw(self._last_w)}")
        self._company.wait(self._phase_s)
        self._note()

    def _wait(self, not_yet: Callable[[], str], what: str) -> None:
        self._company.wait_until(not_yet, _PATIENCE_S, what)
        self._note()

    def _note(self) -> None:
        self._behind_s = max(self._behind_s, self._runner.behind_s)

    # What is seen of the twin.

    @property
    def _last_w(self) -> float:
        return self._recorder.seconds[-1].power_w

    @property
    def _caps_w(self) -> float:
        return self._recorder.seconds[-1].cap_w

    @property
    def _lowest_w(self) -> float:
        """All at their fallback, which is the lowest cap that they take."""
        components, servers = self._plant.site.servers.shape
        return components * servers * self._plant.least_w

    def _mean_w(self, from_s: float, until_s: float) -> float:
        drawn_w = [second.power_w for second in self._recorder.seconds if from_s <= second.at_s < until_s]
        return sum(drawn_w) / len(drawn_w)

    def _beyond(self, limit_w: float) -> str:
        """By how much the caps, with all that is drawn beside them, pass a limit; empty if they do not."""
        beyond_w = self._caps_w + float(self._plant.other_w.sum()) - limit_w
        return f"they pass it by {_kw(beyond_w)}" if beyond_w > _NEAR_W else ""

    def _below(self, limit_w: float) -> str:
        return f"{_kw(self._last_w)} are drawn" if self._last_w <= limit_w else ""

    def _not_fallen(self) -> str:
        left_w = self._caps_w - self._lowest_w
        return f"caps are {_kw(left_w)} above the fallbacks" if left_w > _NEAR_W else ""

    def _not_risen(self) -> str:
        return "caps are at the fallbacks" if self._caps_w < _RISEN * self._lowest_w else ""


def _kw(power_w: float) -> str:
    return f"{power_w / 1e3:.2f} kW"
