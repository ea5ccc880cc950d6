"""The picture of the fleet: gaps, rates, last values, rivals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeagent_central.check import Window, check
from edgeagent_central.fleet import Fleet, Node, Seen
from edgeagent_sdk.batch import Header, encode_header
from edgeagent_sdk.errors import WireError
from edgeagent_sdk.messages import State, Status
from edgeagent_sdk.names import Identity

ME = Identity("s1", "n1")
T = 1_790_000_000 * 10**9
WINDOW = Window(0, 2 * T)


@pytest.mark.parametrize(
    ("arrivals", "gaps", "missing"),
    [
        pytest.param([], 0, 0, id="none"),
        pytest.param([(5, 5)], 0, 0, id="it need not begin at 1: the aggregator may be younger"),
        pytest.param([(1, 1), (2, 2), (3, 3)], 0, 0, id="in order"),
        pytest.param([(3, 3), (1, 1), (2, 2)], 0, 0, id="in any order"),
        pytest.param([(1, 1), (4, 4)], 1, 2, id="one hole"),
        pytest.param([(1, 1), (4, 4), (9, 9)], 2, 6, id="two holes"),
        pytest.param([(1, 1), (2, 10)], 0, 0, id="a thinned batch stands for many"),
        pytest.param([(5, 7), (1, 20)], 0, 0, id="and may cover what was seen"),
    ],
)
def test_gaps(arrivals: list[tuple[int, int]], gaps: int, missing: int) -> None:
    seen = Seen()
    for first, last in arrivals:
        seen.add(first, last)
    assert (seen.gaps, seen.missing) == (gaps, missing)


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 8)), max_size=60))
def test_runs_are_what_a_set_would_be(arrivals: list[tuple[int, int]]) -> None:
    seen, model = Seen(), set[int]()
    for first, more in arrivals:
        numbers = set(range(first, first + more + 1))
        assert seen.add(first, first + more) == (not numbers <= model)
        model |= numbers
    expected = max(model) - min(model) + 1 - len(model) if model else 0
    assert seen.missing == expected


def store(fleet: Fleet, seq: int, value: float, time_ns: int) -> Node:
    node = fleet.node(ME)
    fleet.admit(node)
    header = encode_header(Header(ME, "boot", seq, 1, "synced", time_ns))
    payload = f"{header}power,channel=in,device=d,node=n1,site=s1 value={value} {time_ns}\n".encode()
    fleet.stored(node, check(payload, ME, node.heads, WINDOW))
    return node


def test_the_last_value_is_the_newest_and_not_the_one_that_came_last() -> None:
    fleet = Fleet()
    store(fleet, 2, 2.0, T + 2)
    node = store(fleet, 1, 1.0, T + 1)
    assert list(node.latest.values()) == [(2.0, T + 2)]
    assert (node.newest_ns, node.readings, node.duplicates) == (T + 2, 2, 0)


def test_a_name_that_said_nothing_sound_takes_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeagent_central.fleet._NODES_MAX", 2)
    fleet = Fleet()
    for i in range(10):
        fleet.node(Identity("made", f"up{i}"))
    fleet.admit(fleet.node(ME))
    fleet.admit(fleet.node(ME))
    fleet.admit(fleet.node(Identity("s1", "n2")))
    with pytest.raises(WireError, match="more than 2 nodes; s1/n3 is not taken in"):
        fleet.admit(fleet.node(Identity("s1", "n3")))
    assert sorted(fleet.nodes) == [ME, Identity("s1", "n2")]


def test_a_repeated_batch_is_counted() -> None:
    fleet = Fleet()
    store(fleet, 1, 1.0, T)
    assert store(fleet, 1, 1.0, T).duplicates == 1


def test_what_another_replica_stored_is_no_gap() -> None:
    fleet = Fleet()
    node = store(fleet, 1, 1.0, T)
    fleet.stored_elsewhere(node, "boot", [(2, 4)])
    store(fleet, 5, 5.0, T + 5)
    assert node.seen["boot"].gaps == 0


@pytest.mark.parametrize(
    ("status", "holder", "sender", "rival"),
    [
        (Status.ONLINE, "a", "b", True),
        (Status.ONLINE, "a", "a", False),
        (Status.OFFLINE, "a", "b", False),
        (Status.ONLINE, "", "b", False),
        (Status.ONLINE, "a", "", False),
    ],
)
def test_rivals(status: Status, holder: str, sender: str, rival: bool) -> None:
    node = Node(ME, state=State(status=status, since_ns=1, instance=holder))
    assert node.rival_of(sender) is rival


def test_nobody_is_a_rival_of_a_name_never_heard_of() -> None:
    assert not Node(ME).rival_of("x")
