"""What waits for the broker leaves in order and once, and what is lost is counted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edgeagent.waiting import Waiting


@given(
    maximum=st.integers(1, 5),
    steps=st.lists(st.one_of(st.just("put"), st.integers(0, 4)), max_size=60),
)
def test_all_leave_in_order_or_are_counted(maximum: int, steps: list[str | int]) -> None:
    """A step puts a message, or makes room for so many."""
    room, left, count = 0, list[bytes](), 0

    def send(payload: bytes) -> int | None:
        nonlocal room
        if not room:
            return None
        room -= 1
        left.append(payload)
        return len(left)

    waiting = Waiting(send, maximum)
    for step in steps:
        if isinstance(step, int):
            room = step
            waiting.flush()
        else:
            waiting.put(b"%d" % count)
            count += 1
        assert len(waiting) <= maximum
        assert len(left) + len(waiting) + waiting.lost == count
        assert not (room and len(waiting)), "nothing waits while there is room"
    assert left == sorted(set(left), key=int)
