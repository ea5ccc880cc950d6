"""What is kept of hints: the units of each session, whatever is lost on the way or told wrongly."""

from __future__ import annotations

import gc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeagent_sdk.governor import Session, Unit
from edgeagent_sdk.hintbook import DONE_MAX, OPEN_MAX, SESSIONS_MAX, Book
from edgeagent_sdk.hintrecord import Kind, Record, Target

_S = 10**9
_CAMERA = Target("camera", 0.033, 0.01, ("big",))


def _record(
    kind: Kind,
    unit: int,
    open_: int,
    arrived_s: float,
    began_s: float = 0,
    ended_s: float = 0,
    session: int = 1,
    target: Target = _CAMERA,
) -> Record:
    arrived_ns, began_ns, ended_ns = (round(at_s * _S) for at_s in (arrived_s, began_s, ended_s))
    return Record(kind, session, unit, open_, arrived_ns, began_ns, ended_ns, target)


def _drained(book: Book, now_s: float) -> tuple[Session, ...]:
    return book.drain(round(now_s * _S), lambda pid: frozenset({pid}), book)


def test_units_are_told_once_and_pending_ones_as_long_as_they_are() -> None:
    book = Book()
    book.take(_record(Kind.ARRIVED, 1, 1, 10.0), 7, 20 * _S)
    book.take(_record(Kind.ARRIVED, 2, 2, 10.5), 7, 20 * _S)
    book.take(_record(Kind.BEGAN, 1, 2, 10.0, 11.0), 7, 20 * _S)
    assert _drained(book, 12.0) == (
        Session("camera", ("big",), 0.033, pending_s=(2.0, 1.5), running_s=1.0, misses=0.01),
    )
    book.take(_record(Kind.DONE, 1, 1, 10.0, 11.0, 13.0), 7, 20 * _S)
    assert _drained(book, 14.0) == (
        Session("camera", ("big",), 0.033, done=(Unit(13.0, 2.0, 3.0),), pending_s=(3.5,), misses=0.01),
    )
    (after,) = _drained(book, 15.0)
    assert (after.done, after.pending_s) == ((), (4.5,))


class _Governor:
    """Who reads."""


def _units(book: Book, reader: object) -> list[float]:
    (session,) = book.drain(20 * _S, lambda pid: frozenset(), reader)
    return [unit.ended_s for unit in session.done]


def test_each_reader_is_told_every_unit_once_whoever_else_reads() -> None:
    book, big, little = Book(), _Governor(), _Governor()
    for reader in (big, little):
        assert book.drain(20 * _S, lambda pid: frozenset(), reader) == ()

    def done(ended_s: float) -> None:
        book.take(_record(Kind.DONE, round(ended_s), 0, 10.0, 11.0, ended_s), 7, 20 * _S)

    done(12.0)
    assert (_units(book, big), _units(book, little)) == ([12.0], [12.0])
    done(13.0)
    assert _units(book, big) == [13.0]
    done(14.0)
    assert (_units(book, big), _units(book, little)) == ([14.0], [13.0, 14.0])
    assert (_units(book, big), _units(book, little)) == ([], [])


def test_what_a_reader_has_not_read_is_held_within_bounds_and_not_beyond_its_life() -> None:
    book, idle, busy = Book(), _Governor(), _Governor()
    for unit in range(1, DONE_MAX + 10):
        book.take(_record(Kind.DONE, unit, 0, 1.0, 1.0, 1.5), 7, 20 * _S)
        if unit == 1:
            _units(book, idle)
    assert (len(_units(book, busy)), len(_units(book, idle))) == (DONE_MAX, DONE_MAX)
    book.take(_record(Kind.DONE, 1, 0, 1.0, 1.0, 1.75), 7, 20 * _S)
    del idle
    gc.collect()
    assert _units(book, busy) == [1.75]
    assert _units(book, _Governor()) == []


@pytest.mark.parametrize(
    ("last", "pending"),
    [
        (_record(Kind.BEGAN, 9, 1, 10.9, 10.95), 1),
        (_record(Kind.DONE, 9, 0, 10.9, 10.95, 10.99), 0),
        (_record(Kind.DROPPED, 3, 2, 10.3), 2),
    ],
    ids=["a later one begins", "a later one ends", "one is dropped"],
)
def test_what_was_lost_on_the_way_is_made_good_by_the_next_word(last: Record, pending: int) -> None:
    book = Book()
    for unit in range(1, 5):
        book.take(_record(Kind.ARRIVED, unit, unit, 10 + unit / 10), 7, 20 * _S)
    book.take(last, 7, 20 * _S)
    (session,) = _drained(book, 20.0)
    assert len(session.pending_s) == pending


def test_an_agent_that_has_just_started_knows_a_session_by_its_next_word() -> None:
    book = Book()
    book.take(_record(Kind.DONE, 5000, 1, 10.0, 11.0, 12.0), 7, 20 * _S)
    (session,) = _drained(book, 13.0)
    assert (session.name, session.deadline_s, session.done) == ("camera", 0.033, (Unit(12.0, 1.0, 2.0),))


def test_sessions_of_one_name_are_told_apart_and_the_first_keeps_it() -> None:
    book = Book()
    for pid, number in ((7, 1), (7, 2), (8, 1)):
        book.take(_record(Kind.ARRIVED, 1, 1, 1.0, session=number), pid, 2 * _S)
    assert [session.name for session in _drained(book, 2.0)] == ["camera", "camera-2", "camera-3"]
    book.take(_record(Kind.CLOSED, 0, 0, 0, session=2), 7, 2 * _S)
    book.forget([8])
    assert [session.name for session in _drained(book, 2.0)] == ["camera"]
    book.take(_record(Kind.ARRIVED, 1, 1, 1.0), 9, 2 * _S)
    assert [session.name for session in _drained(book, 2.0)] == ["camera", "camera-2"]


def test_the_cpus_of_its_process_stand_for_the_domains_that_a_session_does_not_name() -> None:
    book = Book()
    book.take(_record(Kind.ARRIVED, 1, 1, 1.0), 7, 2 * _S)
    book.take(_record(Kind.ARRIVED, 1, 1, 1.0, session=2, target=_CAMERA._replace(domains=())), 7, 2 * _S)
    assert [(s.domains, s.cpus) for s in _drained(book, 2.0)] == [(("big",), frozenset()), ((), {7})]


def test_a_session_that_falls_silent_is_forgotten_after_a_minute_or_three_deadlines() -> None:
    book = Book()
    slow = _CAMERA._replace(name="report", deadline_s=100.0)
    book.take(_record(Kind.ARRIVED, 1, 1, 1.0), 7, 1 * _S)
    book.take(_record(Kind.ARRIVED, 1, 1, 1.0, session=2, target=slow), 7, 1 * _S)
    for now_s, left in ((60, 2), (62, 1), (300, 1), (302, 0)):
        book.forget_silent(now_s * _S)
        assert len(_drained(book, now_s)) == left


def test_what_has_not_come_yet_is_refused() -> None:
    with pytest.raises(ValueError, match="not come yet"):
        Book().take(_record(Kind.ARRIVED, 1, 1, 3.0), 7, 2 * _S)


def test_there_is_room_for_so_many_sessions_and_units() -> None:
    book = Book()
    for number in range(SESSIONS_MAX):
        book.take(_record(Kind.ARRIVED, 1, 1, 1.0, session=number), 7, 2 * _S)
    with pytest.raises(ValueError, match="no more are taken"):
        book.take(_record(Kind.ARRIVED, 1, 1, 1.0), 8, 2 * _S)
    for unit in range(2, 2 * DONE_MAX):
        book.take(_record(Kind.ARRIVED, unit, 2**32 - 1, 1.0), 7, 2 * _S)
        book.take(_record(Kind.DONE, unit + 10**6, 2**32 - 1, 1.0, 1.0, 1.5), 7, 2 * _S)
    session = _drained(book, 2.0)[1]
    assert (len(session.pending_s), len(session.done)) == (OPEN_MAX, DONE_MAX)


_EVENTS = st.lists(st.tuples(st.sampled_from(["arrive", "begin", "end", "drop"]), st.booleans()), max_size=60)


@given(_EVENTS)
def test_whatever_is_lost_the_word_that_comes_leaves_no_more_open_than_there_are(
    events: list[tuple[str, bool]],
) -> None:
    book, done = Book(), 0
    waiting: list[int] = []
    running: list[int] = []
    for unit, (what, lost) in enumerate(events, 1):
        now_s = float(unit)
        if what == "arrive":
            waiting.append(unit)
            told = _record(Kind.ARRIVED, unit, len(waiting + running), now_s)
        elif what == "begin" and waiting:
            running.append(waiting.pop(0))
            told = _record(Kind.BEGAN, running[-1], len(waiting + running), running[-1], now_s)
        elif what == "end" and running:
            ended = running.pop(0)
            done += not lost
            told = _record(Kind.DONE, ended, len(waiting + running), ended, ended, now_s)
        elif what == "drop" and waiting:
            dropped = waiting.pop(0)
            told = _record(Kind.DROPPED, dropped, len(waiting + running), dropped)
        else:
            continue
        if not lost:
            book.take(told, 7, unit * _S)
            (session,) = book.drain(unit * _S, lambda pid: frozenset(), book)
            done -= len(session.done)
            assert len(session.pending_s) <= len(waiting + running)
    assert done == 0
