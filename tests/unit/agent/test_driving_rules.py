"""Whatever is wished, withdrawn, refused or fought, in whatever order: the lowest wish is what is set."""

from __future__ import annotations

from math import inf

from hypothesis import given, settings
from hypothesis import strategies as st

from edgeagent.driving import GOVERNOR, GUARD, LEASE, Driving, Rank
from edgeagent.leases import Key
from edgeagent.readback import Held
from edgeagent_sdk.errors import DriverError

_RANKS = st.sampled_from([GOVERNOR, LEASE, GUARD])
_VALUES = st.integers(1, 20).map(float)
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("wish"), _RANKS, _VALUES),
        st.tuples(st.just("withdraw"), _RANKS, st.just(0.0)),
        st.tuples(st.sampled_from(["take", "refuse", "meddle"]), st.just(GOVERNOR), _VALUES),
        st.tuples(st.just("wait"), st.just(GOVERNOR), _VALUES),
    ),
    max_size=40,
)


@given(_STEPS)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_the_lowest_wish_is_set_and_nothing_without_one(steps: list[tuple[str, Rank, float]]) -> None:
    driving, wishes, holds, now_ns = Driving(Key("cpu", "max")), dict[Rank, float](), 99.0, 0
    for what, rank, value in steps:
        if what == "wish":
            driving.wish(rank, value, now_ns, insist=rank is GUARD)
            wishes[rank] = value
        elif what == "withdraw":
            driving.withdraw(rank)
            wishes.pop(rank, None)
        elif what == "wait":
            now_ns += int(value * 1e8)
        if what == "meddle":
            holds = 50.0 + value
        for each in wishes:
            driving.wish(each, wishes[each], now_ns, insist=each is GUARD)  # renewed: none lapses
        driving.lapse(now_ns)
        steered = {each for each in wishes if each is not LEASE}
        assert driving.driven == bool(steered)
        if driving.due_ns <= now_ns:
            order = driving.order(now_ns)
            assert steered and order.value == min(wishes.values()) and order.insist == (GUARD in steered)
            if what == "refuse":
                driving.done(order, DriverError("no"), now_ns)
                assert driving.state(GOVERNOR).fault and driving.due_ns > now_ns
            else:
                if order.known and holds not in order.known:
                    order.met = Held(holds, "")
                holds = order.value if order.met is None or order.insist else holds
                driving.done(order, Held(holds, ""), now_ns)
        ceilings = [wishes[each] for each in wishes if each.level > GOVERNOR.level]
        assert driving.state(GOVERNOR).ceiling == min(ceilings, default=inf)
        assert driving.state(GUARD).ceiling == inf
        # With the guard among them nobody else's value outlasts the next order.
        if GUARD in wishes and not driving.state(GUARD).fault and driving.due_ns > now_ns + 1_000_000_000:
            assert holds == min(wishes.values())
