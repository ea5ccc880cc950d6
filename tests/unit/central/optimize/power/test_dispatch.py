"""Plans carried out on nodes that answer, or late, or never: no limit is passed at any moment."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeagent_central.optimize.power.commands import Commands
from edgeagent_central.optimize.power.dispatch import Dispatch
from edgeagent_central.optimize.power.holdings import Holdings, Slot
from edgeagent_central.optimize.power.plan import Plan, Snapshot
from edgeagent_central.optimize.power.profiles import shipped
from edgeagent_central.optimize.power.site import Site, Storage
from edgeagent_central.optimize.power.tree import Array, Tree
from edgeagent_central.optimize.power.wiring import Wiring
from edgeagent_sdk.errors import BrokerError
from edgeagent_sdk.fleet import Fleet, Node
from edgeagent_sdk.messages import Outcome, Reply, State, Status
from edgeagent_sdk.names import Identity

_PER_RACK, _RACKS = 3, 2
_COUNT = _PER_RACK * _RACKS
_MIN_W, _MAX_W, _FALLBACK_W = 100.0, 400.0, 150.0


class _Lead:
    leads = True


class _Field(Fleet):
    """Nodes with one cap each, instead of a broker with agents."""

    def __init__(self, rng: random.Random, tree: Tree) -> None:
        self.caps_w = np.full(_COUNT, _MIN_W)
        self.tree, self.rng, self.away = tree, rng, False
        self.moods = ["well"] * _COUNT
        self.late: list[tuple[Future[Reply], Reply]] = []
        self.boots = ["b0"] * _COUNT
        self.ends_s = np.full(_COUNT, np.inf)
        self.online = [True] * _COUNT
        self.sent = self.released = 0

    def nodes(self) -> dict[Identity, Node]:
        known = {}
        for place in range(_COUNT):
            identity = Identity("lab", f"n{place}")
            status = Status.ONLINE if self.online[place] else Status.OFFLINE
            known[identity] = Node(identity, State(status=status, since_ns=1, boot=self.boots[place]))
        return known

    def send(
        self, site: str, node: str, name: str, body: dict[str, Any] | None = None, **more: Any
    ) -> Future[Reply]:
        if self.away:
            raise BrokerError("away")
        self.sent += 1
        place, future = int(node[1:]), Future[Reply]()
        mood = self.moods[place]
        if mood == "deaf":
            return future
        if name == "release":
            self.released += 1
            return future
        if name == "actuators":
            row = {"device": "gpu", "actuator": "cap", "value": float(self.caps_w[place])}
            holds: dict[str, Any] = {"actuators": [row]}
        else:
            assert body is not None and name == "cap"
            if mood == "stubborn":
                future.set_result(Reply(id="", outcome=Outcome.REFUSED, time_ns=1, why="no"))
                return future
            self.caps_w[place] = body["value"]
            self.ends_s[place] = time.monotonic() + body["lease_s"]
            self.judge()
            holds = {"value": body["value"]}
        reply = Reply(id="", outcome=Outcome.APPLIED, time_ns=1, holds=holds)
        if mood == "well":
            future.set_result(reply)
        elif mood == "slow":
            self.late.append((future, reply))
        return future  # of one that is mute, no answer comes

    def judge(self) -> None:
        """The limits hold at this very moment."""
        assert np.all(self.tree.load_w(self.caps_w) <= self.tree.limit_w + 1e-6), self.caps_w

    def deliver(self) -> None:
        """Answers that were on their way."""
        for future, reply in self.late:
            if not future.cancelled():
                future.set_result(reply)
        self.late.clear()


def _site(limit_w: float, rack_w: float) -> Site:
    tree = Tree.build([-1, 0, 0], [limit_w, rack_w, rack_w], [1] * _PER_RACK + [2] * _PER_RACK)
    ones = np.ones(_COUNT)
    return Site(
        name="lab",
        tree=tree,
        domains=("root", "rack1", "rack2"),
        leaves=tuple(f"n{i}" for i in range(_COUNT)),
        ramp_up_w_per_s=np.full(3, np.inf),
        ramp_down_w_per_s=np.full(3, np.inf),
        breakers={},
        storage={},
        diverse=np.zeros(3, bool),
        idle_w=50 * ones,
        min_w=_MIN_W * ones,
        max_w=_MAX_W * ones,
        fallback_w=_FALLBACK_W * ones,
        clocked=np.zeros(_COUNT, bool),
        weight=ones,
        profiles=tuple(shipped().values()),
        profile=np.zeros(_COUNT, np.intp),
    )


def _dispatch(site: Site, field: _Field) -> Dispatch:
    slots = tuple(Slot(f"n{i}", "gpu", "cap") for i in range(_COUNT))
    wiring = Wiring(slots, np.arange(_COUNT), np.full(_COUNT, -1), np.zeros(_COUNT), {})
    holdings = Holdings(slots)
    commands = Commands(field, "lab", holdings, _Lead(), lease_s=15.0, by="test")
    return Dispatch(site, wiring, holdings, commands, 15.0)


def _turn(site: Site, field: _Field, dispatch: Dispatch, wish: Array, limit_w: Array | None = None) -> Plan:
    """One turn with a plan that fits, made out of `wish`, shape (n,), shares of what is left."""
    limit_w = site.tree.limit_w if limit_w is None else limit_w
    dispatch.follow(field, time.monotonic())
    may_w, answers = dispatch.may_w(), dispatch.answers()
    floor_w = np.where(answers, site.min_w, may_w)
    range_w = np.where(answers, wish * (site.max_w - site.min_w), 0.0)
    room_w = np.maximum(limit_w - site.tree.load_w(floor_w), 0.0)
    share = np.minimum(room_w / np.maximum(site.tree.load_w(range_w), 1e-9), 1.0)
    share = np.minimum(share, share[0])
    cap_w = floor_w + share[site.tree.domain] * range_w
    price = np.zeros(3)
    plan = Plan(0.0, cap_w, np.ones(_COUNT), {}, limit_w, cap_w, price, "optimal")
    seen = Snapshot(0.0, may_w, answers, answers, may_w, may_w, np.full(_COUNT, np.nan), limit_w)
    dispatch.carry_out(seen, plan, time.monotonic() + 0.002)
    return plan


@settings(max_examples=60)
@given(
    st.integers(0, 2**32 - 1),
    st.floats(1100, 2000),
    st.floats(600, 1200),
    st.lists(st.sampled_from(["well", "slow", "mute", "deaf", "stubborn", "deliver", "away"]), max_size=25),
)
def test_no_limit_is_passed_at_any_moment(
    seed: int, limit_w: float, rack_w: float, events: list[str]
) -> None:
    rng = random.Random(seed)
    site = _site(limit_w, rack_w)
    field = _Field(rng, site.tree)
    dispatch = _dispatch(site, field)
    for event in ["well", "well", *events]:
        if event == "deliver":
            field.deliver()
        elif event == "away":
            field.away = not field.away
        else:
            field.moods[rng.randrange(_COUNT)] = event
        _turn(site, field, dispatch, np.array([rng.random() for _ in range(_COUNT)]))
    field.judge()


@pytest.fixture
def quiet() -> tuple[Site, _Field, Dispatch]:
    """All well, and a plan carried out."""
    site = _site(1500.0, 900.0)
    field = _Field(random.Random(1), site.tree)
    dispatch = _dispatch(site, field)
    for _ in range(3):
        _turn(site, field, dispatch, np.ones(_COUNT))
    return site, field, dispatch


def test_room_is_used_and_what_does_not_change_is_not_told(quiet: tuple[Site, _Field, Dispatch]) -> None:
    site, field, dispatch = quiet
    assert field.caps_w.sum() == pytest.approx(1500.0, abs=1.0)
    before = field.sent
    _turn(site, field, dispatch, np.ones(_COUNT))
    assert field.sent == before


def test_leases_are_renewed_in_time_and_not_all_at_once(
    quiet: tuple[Site, _Field, Dispatch], monkeypatch: pytest.MonkeyPatch
) -> None:
    site, field, dispatch = quiet
    real_s, ahead_s = time.monotonic, 0.0
    monkeypatch.setattr(time, "monotonic", lambda: real_s() + ahead_s)
    told: list[int] = []
    for _ in range(10):
        ahead_s += 1.0
        before = field.sent
        _turn(site, field, dispatch, np.ones(_COUNT))
        told.append(field.sent - before)
    assert sum(told) >= _COUNT and max(told) <= np.ceil(1.5 * _COUNT / 5)


def test_a_node_that_was_started_anew_is_asked_before_it_is_counted_on(
    quiet: tuple[Site, _Field, Dispatch],
) -> None:
    _, field, dispatch = quiet
    field.boots[0] = "b1"
    dispatch.follow(field, time.monotonic())
    assert not dispatch.answers()[0] and dispatch.may_w()[0] == _MAX_W


def test_one_that_goes_offline_may_fall_to_its_fallback(quiet: tuple[Site, _Field, Dispatch]) -> None:
    site, field, dispatch = quiet
    field.online[0] = False
    dispatch.follow(field, time.monotonic())
    assert not dispatch.answers()[0] and dispatch.may_w()[0] == max(field.caps_w[0], _FALLBACK_W)
    field.online[0] = True
    for _ in range(2):
        _turn(site, field, dispatch, np.ones(_COUNT))
    assert dispatch.answers()[0]


def test_who_does_not_obey_is_told_of(
    quiet: tuple[Site, _Field, Dispatch], monkeypatch: pytest.MonkeyPatch
) -> None:
    site, field, dispatch = quiet
    field.moods[0], field.moods[1] = "deaf", "stubborn"
    real_s, ahead_s = time.monotonic, 0.0
    monkeypatch.setattr(time, "monotonic", lambda: real_s() + ahead_s)
    for _ in range(14):
        ahead_s += 1.0
        _turn(site, field, dispatch, np.ones(_COUNT))
    troubles = dispatch.troubles()
    assert troubles["n0"].startswith("does not answer") and troubles["n1/gpu/cap"] == "refused: no"


def test_released_is_only_what_no_limit_needs() -> None:
    for limit_w, released in ((1e4, _COUNT), (1500.0, 0)):
        site = _site(limit_w, limit_w)
        field = _Field(random.Random(1), site.tree)
        dispatch = _dispatch(site, field)
        for _ in range(3):
            _turn(site, field, dispatch, np.ones(_COUNT))
        before = field.sent
        dispatch.let_go()
        assert field.released == released and field.sent - before == released


def test_an_order_is_a_limit_that_needs_its_leases_also_when_the_optimizer_ends() -> None:
    site = _site(1e4, 1e4)
    field = _Field(random.Random(1), site.tree)
    dispatch = _dispatch(site, field)
    for _ in range(3):
        _turn(site, field, dispatch, np.ones(_COUNT), np.array([1500.0, np.inf, np.inf]))
    dispatch.let_go()
    assert field.released == 0


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets seconds pass."""
    real_s, ahead_s = time.monotonic, [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: real_s() + sum(ahead_s))
    return ahead_s.append


def test_no_limit_is_passed_when_the_optimizer_dies_and_leases_end_one_by_one(
    later: Callable[[float], None],
) -> None:
    site = _site(1000.0, 900.0)
    field = _Field(random.Random(1), site.tree)
    dispatch = _dispatch(site, field)
    wish = np.array([1.0] * _PER_RACK + [0.0] * _PER_RACK)  # one rack above its fallbacks, one below
    for _ in range(40):
        _turn(site, field, dispatch, wish)
        later(1.0)
        for end_s in field.ends_s.tolist():
            caps_w = np.where(field.ends_s <= end_s, _FALLBACK_W, field.caps_w)
            assert np.all(site.tree.load_w(caps_w) <= site.tree.limit_w + 1e-6), caps_w


def test_a_lease_that_was_not_renewed_in_time_may_have_ended(
    quiet: tuple[Site, _Field, Dispatch], later: Callable[[float], None]
) -> None:
    site, field, dispatch = quiet
    _turn(site, field, dispatch, np.array([0.0, *[1.0] * (_COUNT - 1)]))
    dispatch.follow(field, time.monotonic())
    assert dispatch.may_w()[0] == _MIN_W
    later(16.0)  # nothing was sent: no plan passed, or the broker took nothing
    dispatch.follow(field, time.monotonic())
    assert dispatch.may_w()[0] == _FALLBACK_W


def test_what_was_looked_at_before_it_was_told_something_is_old(later: Callable[[float], None]) -> None:
    site = _site(1500.0, 900.0)
    field, holdings = _Field(random.Random(1), site.tree), Holdings([Slot("n0", "gpu", "cap")])
    commands = Commands(field, "lab", holdings, _Lead(), lease_s=15.0, by="test")
    holdings.found(0, _MIN_W)
    field.moods[0] = "slow"  # another of its devices hangs
    commands.ask(["n0"])
    later(0.1)
    field.moods[0] = "well"
    commands.cap(0, 300.0)
    commands.gather()
    field.deliver()
    commands.gather()
    assert holdings.may[0] == 300.0


class _Board(Fleet):
    """One node with a cap, a clock and a battery; it takes everything, or the battery nothing."""

    def __init__(self) -> None:
        self.holds = {"cap": 400.0, "clock": 2e9, "charge": 0.0}
        self.order: list[str] = []
        self.stuck: set[str] = set()

    def nodes(self) -> dict[Identity, Node]:
        return {}

    def send(
        self, site: str, node: str, name: str, body: dict[str, Any] | None = None, **more: Any
    ) -> Future[Reply]:
        future = Future[Reply]()
        if name == "actuators":
            rows = [{"device": "d", "actuator": a, "value": v} for a, v in self.holds.items()]
            future.set_result(Reply(id="", outcome=Outcome.APPLIED, time_ns=1, holds={"actuators": rows}))
        elif name == "release" and body is not None:
            self.order.append(f"{body['actuator']} released")
        elif body is not None and body["actuator"] not in self.stuck:
            self.order.append(f"{body['actuator']} {body['value']:g}")
            self.holds[body["actuator"]] = body["value"]
            holds = {"value": body["value"]}
            future.set_result(Reply(id="", outcome=Outcome.APPLIED, time_ns=1, holds=holds))
        return future


@pytest.fixture
def board() -> tuple[Site, _Board, Dispatch]:
    site = _site(1000.0, 1000.0)
    site = replace(
        site,
        tree=Tree.build([-1], [500.0], [0]),
        domains=("root",),
        leaves=("n1/gpu",),
        clocked=np.ones(1, bool),
        **{name: getattr(site, name)[:1] for name in ("idle_w", "min_w", "max_w", "fallback_w", "weight")},
        profile=site.profile[:1],
        storage={0: Storage(300.0, 1e6)},
        diverse=np.ones(1, bool),
        ramp_up_w_per_s=site.ramp_up_w_per_s[:1],
        ramp_down_w_per_s=site.ramp_down_w_per_s[:1],
    )
    slots = tuple(Slot("n1", "d", name) for name in ("cap", "clock", "charge"))
    wiring = Wiring(slots, np.array([0]), np.array([1]), np.array([2e9]), {0: 2})
    holdings, field = Holdings(slots), _Board()
    commands = Commands(field, "lab", holdings, _Lead(), lease_s=15.0, by="test")
    return site, field, Dispatch(site, wiring, holdings, commands, 15.0)


def _plan(site: Site, dispatch: Dispatch, cap_w: float, clock: float, charge_w: float) -> None:
    cap, room = np.array([cap_w]), site.tree.limit_w - charge_w
    plan = Plan(0.0, cap, np.array([clock]), {0: charge_w}, room, cap, np.zeros(1), "optimal")
    may_w, yes = dispatch.may_w(), dispatch.answers()
    seen = Snapshot(0.0, may_w, yes, yes, may_w, may_w, np.array([np.nan]), site.tree.limit_w)
    dispatch.carry_out(seen, plan, time.monotonic() + 0.01)
    dispatch.follow(dispatch.commands._fleet, time.monotonic())


def test_clocks_and_batteries_are_told_with_the_caps(board: tuple[Site, _Board, Dispatch]) -> None:
    site, field, dispatch = board
    _plan(site, dispatch, 400.0, 1.0, 0.0)
    assert field.order == [], "nobody is told anything before it has been asked"
    _plan(site, dispatch, 300.0, 0.5, 0.0)
    assert field.order == ["cap 300", "clock 1e+09", "charge 0"]
    assert dispatch.charge_w() == {0: 0.0}
    field.order.clear()
    _plan(site, dispatch, 300.0, 0.75, 150.0)
    assert field.order == ["clock 1.5e+09", "charge 150"]
    field.order.clear()
    _plan(site, dispatch, 400.0, 1.0, -50.0)
    assert field.order == ["charge -50", "cap 400", "clock released"], "what rises waits for the battery"


def test_a_lock_that_the_plan_needs_no_more_is_given_back_once(
    board: tuple[Site, _Board, Dispatch], later: Callable[[float], None]
) -> None:
    site, field, dispatch = board
    for clock in (1.0, 0.5, 1.0):
        _plan(site, dispatch, 400.0, clock, 0.0)
    assert field.order[-1] == "clock released"
    field.order.clear()
    for _ in range(4):
        later(6.0)
        _plan(site, dispatch, 400.0, 1.0, 0.0)
    assert "cap 400" in field.order and not [told for told in field.order if "clock" in told]
    _plan(site, dispatch, 400.0, 0.5, 0.0)
    assert "clock 1e+09" in field.order, "and taken again when it is needed"


@pytest.mark.parametrize(
    ("reports_w", "may_w", "told"),
    [
        (400.0, 400.0, "cap 150"),
        (0.0, 400.0, "cap 150"),
        (20.0, _FALLBACK_W, "cap 100"),
        (200.0, 200.0, "cap 150"),
    ],
)
def test_a_cap_below_the_lowest_frees_no_room_and_0_is_no_limit(
    board: tuple[Site, _Board, Dispatch], reports_w: float, may_w: float, told: str
) -> None:
    site, field, dispatch = board
    field.holds |= {"cap": reports_w, "clock": 0.0}
    _plan(site, dispatch, 400.0, 1.0, 0.0)
    assert dispatch.answers()[0] and dispatch.may_w()[0] == may_w
    _plan(site, dispatch, 150.0, 0.5, 0.0)
    assert field.order[:2] == [told, "clock 1e+09"], "nobody is told the 0 that he reports"


def test_a_cap_does_not_rise_on_a_battery_that_does_not_obey(board: tuple[Site, _Board, Dispatch]) -> None:
    site, field, dispatch = board
    _plan(site, dispatch, 400.0, 1.0, 0.0)
    _plan(site, dispatch, 300.0, 1.0, 200.0)
    assert field.holds == {"cap": 300.0, "clock": 2e9, "charge": 200.0}
    field.stuck.add("charge")
    _plan(site, dispatch, 400.0, 1.0, 0.0)
    assert field.holds["cap"] == 300.0, "the battery takes 200 W of the 500 W still"


def test_a_battery_that_does_not_answer_is_not_counted_on(
    board: tuple[Site, _Board, Dispatch], later: Callable[[float], None]
) -> None:
    site, field, dispatch = board
    assert dispatch.obeying() == set() and dispatch.stuck_w().tolist() == [300.0]
    _plan(site, dispatch, 400.0, 1.0, 0.0)
    _plan(site, dispatch, 300.0, 1.0, 200.0)
    assert dispatch.obeying() == {0} and dispatch.stuck_w().tolist() == [0.0]
    field.stuck.add("charge")
    _plan(site, dispatch, 300.0, 1.0, 0.0)
    later(4.0)
    dispatch.follow(field, time.monotonic())
    assert dispatch.obeying() == set() and dispatch.stuck_w().tolist() == [200.0], "it takes them still"
