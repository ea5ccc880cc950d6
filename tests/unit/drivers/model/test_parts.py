"""Frames and conduct: the small parts, by tables."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeagent.drivers.model import frames
from edgeagent.drivers.model.conduct import ANSWERS, CRASHES, CRASHES_WITHIN_S, Conduct
from edgeagent.drivers.model.frames import Frame, Kind, NoFrame
from edgeagent.drivers.model.refusal import one_line


@settings(max_examples=100, derandomize=True, deadline=None)
@given(
    sent=st.lists(
        st.tuples(st.sampled_from(Kind), st.integers(0, 2**32 - 1), st.binary(max_size=50)), max_size=5
    ),
    cut=st.integers(1, 20),
)
def test_frames_come_out_as_they_went_in_however_they_are_cut(
    sent: list[tuple[Kind, int, bytes]], cut: int
) -> None:
    stream = b"".join(frames.encode(*each) for each in sent)
    buffer, taken = bytearray(), []
    for at in range(0, len(stream), cut):
        buffer += stream[at : at + cut]
        while frame := frames.take(buffer):
            taken.append(frame)
    assert taken == [Frame(*each) for each in sent] and not buffer


def test_nonsense_is_no_frame() -> None:
    with pytest.raises(NoFrame):
        frames.take(bytearray(b"\xff" * 20))


@pytest.mark.parametrize(
    ("pauses_s", "enough"),
    [([0, 1, 1], True), ([0, 1], False), ([0, CRASHES_WITHIN_S, 1], False), ([0, 1, 1, 1], True)],
)
def test_crashes(pauses_s: list[float], enough: bool) -> None:
    conduct, now_s, said = Conduct(), 0.0, False
    for pause_s in pauses_s:
        now_s += pause_s
        said = conduct.crashed(now_s)
    assert said is enough


def test_crashes_long_ago_do_not_count() -> None:
    conduct = Conduct()
    assert not any(conduct.crashed(i * CRASHES_WITHIN_S) for i in range(4 * CRASHES))


@pytest.mark.parametrize(
    ("answers", "enough"),
    [
        ("-" * (ANSWERS // 2), False),
        ("-" * (ANSWERS // 2 + 1), True),
        ("+-" * ANSWERS, False),
        ("+--" * ANSWERS, True),
        ("-" * (ANSWERS // 2) + "+" * ANSWERS + "-", False),
    ],
)
def test_answers(answers: str, enough: bool) -> None:
    conduct = Conduct()
    said = [conduct.answered(well=answer == "+") for answer in answers]
    assert any(said) is enough


def test_what_is_forgiven_does_not_count() -> None:
    conduct = Conduct()
    for _ in range(CRASHES - 1):
        conduct.crashed(0.0)
    conduct.forgive()
    assert not conduct.crashed(0.0)


@pytest.mark.parametrize(("text", "line"), [(" a\n\tb ", "a b"), ("x" * 500, "x" * 240 + "…")])
def test_errors_of_runtimes_become_one_line(text: str, line: str) -> None:
    assert one_line(text) == line
