"""Which seconds of a run count against which limit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from edgeagent_hil.curtailment.judge import Phase, Record, failures, rows
from edgeagent_hil.curtailment.plant import Second


def record(phases: Sequence[Phase], *powers_w: float, begin_s: float = 0.0) -> Record:
    """A run whose seconds drew so much."""
    seconds = [Second(begin_s + number, power_w, 500.0, 7, 0.5) for number, power_w in enumerate(powers_w)]
    return Record(phases, seconds)


BEFORE = Phase("before", 0.0, 100.0)
ORDER = Phase("order", 2.0, 75.0, new=True)
KILLED = Phase("killed", 5.0, 75.0)
OVER = Phase("over", 5.0, 100.0)

#: Phases, powers second by second, and what is found of the last phase.
CASES: dict[str, tuple[Sequence[Phase], Sequence[float], dict[str, Any]]] = {
    "an old limit counts from the first second": (
        [BEFORE], [101, 99, 103], {"seconds_above": 2, "worst_above_w": 3.0, "to_limit_s": 0.0},
    ),
    "a new limit counts once it has been reached": (
        [BEFORE, ORDER], [99, 99, 90, 75, 75], {"seconds_above": 0, "to_limit_s": 2.0, "highest_kw": 0.075},
    ),
    "what passes it afterwards is above": (
        [BEFORE, ORDER], [99, 99, 74, 76, 75], {"seconds_above": 1, "worst_above_w": 1.0, "to_limit_s": 1.0},
    ),
    "one that is never reached is told as such": (
        [BEFORE, ORDER], [99, 99, 90, 90], {"seconds_above": 0, "to_limit_s": None, "highest_kw": 0.09},
    ),
    "a fault changes nothing about the limit": (
        [BEFORE, ORDER, KILLED], [99, 99, 70, 70, 70, 80, 70], {"seconds_above": 1, "worst_above_w": 5.0},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_seconds_are_judged_by_their_phase(name: str) -> None:
    phases, powers_w, wanted = CASES[name]
    *_, last = rows(record(phases, *powers_w))
    assert {key: last[key] for key in wanted} == pytest.approx(wanted)


def test_a_second_of_two_phases_counts_in_the_one_that_allows_more() -> None:
    """Begun half a second before the order came, and before it was over."""
    powers_w = [99, 99, 74, 74, 74, 90, 99]
    before, order, over = rows(record([BEFORE, ORDER, OVER], *powers_w, begin_s=-0.5))
    assert (before["highest_kw"], order["highest_kw"], over["highest_kw"]) == (0.099, 0.074, 0.099)
    assert not failures(record([BEFORE, ORDER, OVER], *powers_w, begin_s=-0.5))


def test_what_a_run_must_not_show_is_told() -> None:
    powers_w = [99.0] * 2 + [90.0] * 11 + [70.0, 71.0, 80.0]
    above, late = failures(record([BEFORE, ORDER], *powers_w))
    assert above == "order: 1 s above 0.075 kW, at worst by 5 W"
    assert late == "order: 0.075 kW were reached after 12 s, not in 10 s"


@pytest.mark.parametrize(
    ("measured_s", "reckoned_w", "found"),
    [(20.0, 100.0, 0), (20.0, 101.9, 0), (20.0, 104.0, 1), (3.0, 104.0, 0), (3.0, 106.0, 1)],
)
def test_an_order_is_reckoned_from_what_was_drawn(measured_s: float, reckoned_w: float, found: int) -> None:
    """A short mean may be further off."""
    run = record([BEFORE, Phase("order", measured_s, 100.0)], 99, 99)
    assert len(failures(Record(run.phases, run.seconds, (reckoned_w, 100.0)))) == found
