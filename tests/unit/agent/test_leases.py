"""The table of leases: never past its end, never two values, whatever is asked of it in whatever order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from edgeagent.leases import Key, Lease, LeaseTable

S = 10**9
KEYS = [Key("node", "relay1"), Key("node", "fan1"), Key("pdu", "relay1")]
keys = st.sampled_from(KEYS)


def holding(table: LeaseTable, key: Key, now_ns: int) -> Lease | None:
    """The lease that holds now."""
    return next((lease for lease in table if lease.key == key and now_ns < lease.until_ns), None)


class Leases(RuleBasedStateMachine):
    """The table beside a model that remembers every promise ever made."""

    @initialize()
    def begin(self) -> None:
        self.table = LeaseTable()
        self.now_ns = 0
        self.last: dict[Key, Lease] = {}
        self.over: set[int] = set()

    @rule(key=keys, value=st.floats(0, 1), ttl_ns=st.integers(1, 10 * S))
    def grant(self, key: Key, value: float, ttl_ns: int) -> None:
        before = self.last.get(key)
        self.last[key] = self.table.grant(key, value, self.now_ns + ttl_ns)
        assert before is None or before.number != self.last[key].number

    @rule(key=keys)
    def revoke(self, key: Key) -> None:
        self.table.revoke(key)
        self.last.pop(key, None)

    @rule(key=keys, value=st.floats(0, 1), ttl_ns=st.integers(1, 10 * S))
    def fail_to_replace(self, key: Key, value: float, ttl_ns: int) -> None:
        """A grant that the device does not take: what held before holds on, unless it is over."""
        before = holding(self.table, key, self.now_ns)
        self.table.grant(key, value, self.now_ns + ttl_ns)
        self.table.revoke(key)
        if before is None or not self.table.restore(before, self.now_ns):
            self.last.pop(key, None)

    @rule(step_ns=st.integers(0, 5 * S), look=st.booleans())
    def advance(self, step_ns: int, look: bool) -> None:
        self.now_ns += step_ns
        if look:
            for lease in self.table.expire(self.now_ns):
                assert lease.until_ns <= self.now_ns
                assert lease.number not in self.over, "ended twice"
                self.over.add(lease.number)

    @invariant()
    def holds_what_was_promised_last_and_nothing_past_its_end(self) -> None:
        for key in KEYS:
            held = holding(self.table, key, self.now_ns)
            promised = self.last.get(key)
            if promised and promised.until_ns > self.now_ns:
                assert held == promised
                assert held.left_s(self.now_ns) == pytest.approx((promised.until_ns - self.now_ns) / S)
            else:
                assert held is None

    @invariant()
    def one_lease_for_each_actuator(self) -> None:
        granted = [lease.key for lease in self.table]
        assert len(granted) == len(set(granted))


TestLeases = Leases.TestCase


@given(until_ns=st.integers(0, 2**62), now_ns=st.integers(0, 2**62))
def test_restoring_what_is_over_restores_nothing(until_ns: int, now_ns: int) -> None:
    table = LeaseTable()
    lease = Lease(KEYS[0], 1.0, until_ns, 1)
    assert (
        table.restore(lease, now_ns) == (now_ns < until_ns) == (holding(table, KEYS[0], now_ns) is not None)
    )
