"""The rules of the lead against a broker that is as bad as a broker may be: never two in charge."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from edgeagent_central.optimize.leader import COMMAND_TTL_S, MARGIN_S, TTL_S, Candidate
from edgeagent_sdk.messages import Lease

_STEP_S = 0.2


@dataclass
class _Road:
    """A candidate with its connection: what it says arrives late, what it is to hear waits for it."""

    candidate: Candidate
    connected: bool = False
    frozen: bool = False
    said: list[tuple[float, Lease]] = field(default_factory=list)
    heard: list[tuple[Lease, bool]] = field(default_factory=list)


class _Broker:
    """One order of messages for all; what it has retained may go back to something older."""

    def __init__(self, count: int) -> None:
        self.now_s = 0.0
        self.roads = [_Road(Candidate(f"c{i}")) for i in range(count)]
        self.log: list[Lease] = []
        self.retained: Lease | None = None
        self.last_led: tuple[float, str] | None = None

    def connect(self, road: _Road) -> None:
        road.connected, road.heard = True, []
        road.candidate.connected(self.now_s)
        if self.retained:
            road.heard.append((self.retained, True))

    def disconnect(self, road: _Road) -> None:
        road.connected = False  # what was on its way is sent again after the next connect
        road.candidate.disconnected()

    def step(self, late_s: float) -> None:
        """A moment passes."""
        self.now_s += _STEP_S
        for road in self.roads:
            if road.connected:
                arrived = [lease for at_s, lease in road.said if at_s <= self.now_s]
                road.said = road.said[len(arrived) :]
                for lease in arrived:
                    self.retained = lease
                    self.log.append(lease)
                    for other in self.roads:
                        if other.connected:
                            other.heard.append((lease, False))
        for road in self.roads:
            if road.frozen:
                continue
            while road.heard:
                lease, retained = road.heard.pop(0)
                road.candidate.heard(lease, self.now_s, retained=retained)
            lease_now = road.candidate.turn(self.now_s)
            if lease_now and road.connected:
                road.said.append((self.now_s + late_s, lease_now))
        self.judge()

    def judge(self) -> None:
        """Nobody leads within the gap after another; the frozen count too, for they may wake at any time."""
        leaders = [road.candidate.holder for road in self.roads if road.candidate.leads(self.now_s)]
        assert len(leaders) <= 1, leaders
        for leader in leaders:
            if self.last_led and self.last_led[1] != leader:
                assert self.now_s - self.last_led[0] >= COMMAND_TTL_S - _STEP_S, (self.last_led, leader)
            self.last_led = self.now_s, leader


_EVENTS = st.lists(
    st.tuples(
        st.sampled_from(
            ["run", "run", "run", "connect", "disconnect", "freeze", "thaw", "restart", "forget"]
        ),
        st.integers(0, 2),
        st.integers(1, 40),
        st.sampled_from([0.0, 0.2, 1.0, 3.0, 9.0]),
    ),
    max_size=60,
)


@given(_EVENTS)
def test_never_two_whatever_happens(events: list[tuple[str, int, int, float]]) -> None:
    broker = _Broker(3)
    for road in broker.roads:
        broker.connect(road)
    for what, who, steps, late_s in events:
        road = broker.roads[who]
        match what:
            case "connect":
                broker.connect(road)
            case "disconnect":
                broker.disconnect(road)
            case "freeze":
                road.frozen = True
            case "thaw":
                road.frozen = False
            case "restart":  # what it retains is lost, or an older one comes back from the disk
                broker.retained = broker.log[len(broker.log) // 2] if broker.log and steps % 2 else None
                for each in broker.roads:
                    broker.disconnect(each)
                    broker.connect(each)
            case "forget":  # killed and started anew, under another name
                broker.disconnect(road)
                road.candidate = Candidate(f"{road.candidate.holder}'")
                road.frozen = False
                broker.connect(road)
        for _ in range(steps):
            broker.step(late_s)


def _run(broker: _Broker, seconds: float, late_s: float = 0.0) -> list[str]:
    for _ in range(round(seconds / _STEP_S)):
        broker.step(late_s)
    return [road.candidate.holder for road in broker.roads if road.candidate.leads(broker.now_s)]


def _ready(count: int = 2) -> _Broker:
    broker = _Broker(count)
    for road in broker.roads:
        broker.connect(road)
    return broker


def test_one_of_several_leads_and_stays() -> None:
    broker = _ready(3)
    assert _run(broker, TTL_S + MARGIN_S - 1) == []
    leader = _run(broker, 3.0)
    assert len(leader) == 1
    for _ in range(100):
        assert _run(broker, 0.6) == leader


def test_when_the_leader_is_gone_another_takes_over() -> None:
    broker = _ready()
    (leader,) = _run(broker, 10)
    road = next(road for road in broker.roads if road.candidate.holder == leader)
    broker.disconnect(road)
    road.frozen = True
    assert len(_run(broker, TTL_S + MARGIN_S + 2)) == 1 and broker.last_led and broker.last_led[1] != leader


def test_who_gives_up_is_followed_at_once_but_an_old_farewell_is_not_believed() -> None:
    broker = _ready()
    (leader,) = _run(broker, 10)
    road = next(road for road in broker.roads if road.candidate.holder == leader)
    farewell = road.candidate.give_up(broker.now_s)
    assert farewell and not road.candidate.leads(broker.now_s)
    other = next(each for each in broker.roads if each is not road).candidate
    other.heard(farewell, broker.now_s, retained=False)
    assert other.turn(broker.now_s)
    newcomer = Candidate("new")
    newcomer.connected(broker.now_s)
    newcomer.heard(farewell, broker.now_s, retained=True)
    assert newcomer.turn(broker.now_s + TTL_S) is None
    assert newcomer.turn(broker.now_s + TTL_S + MARGIN_S + 0.1)


def _leading() -> tuple[Candidate, float]:
    """One that leads, just after its claim has come back."""
    one = Candidate("one")
    one.connected(0.0)
    at_s = TTL_S + MARGIN_S + 0.1
    claim = one.turn(at_s)
    assert claim
    one.heard(claim, at_s, retained=False)
    assert one.leads(at_s)
    return one, at_s


def test_a_message_counts_from_when_it_was_sent() -> None:
    one, at_s = _leading()
    renewal = one.turn(at_s + 1)
    assert renewal
    one.heard(renewal, at_s + TTL_S - MARGIN_S - 0.1, retained=False)
    assert one.leads(at_s + TTL_S - MARGIN_S + 0.9)
    assert not one.leads(at_s + TTL_S - MARGIN_S + 1.1)


def test_a_renewal_that_comes_back_too_late_does_not_bring_the_lead_back() -> None:
    one, at_s = _leading()
    renewal = one.turn(at_s + 3)
    assert renewal
    one.heard(renewal, at_s + TTL_S - MARGIN_S + 0.1, retained=False)
    assert not one.leads(at_s + TTL_S - MARGIN_S + 0.1)


def test_what_was_said_over_an_earlier_connection_does_not_count() -> None:
    one = Candidate("one")
    one.connected(0.0)
    claim = one.turn(TTL_S + MARGIN_S + 0.1)
    assert claim
    one.connected(TTL_S + MARGIN_S + 0.2)
    one.heard(claim, TTL_S + MARGIN_S + 0.3, retained=False)
    assert not one.leads(TTL_S + MARGIN_S + 0.3)
