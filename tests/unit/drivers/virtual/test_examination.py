"""Mistakes in expressions that the configuration alone shows, and none that it cannot know of."""

from __future__ import annotations

import pytest

from edgeagent.drivers.virtual.examination import mistakes
from edgeagent.neighbours import Neighbours, Planned

READINGS = Neighbours(Planned(["agent", "a", "pdu-1", "pdu-2", "cdu", "site"]), "site")


@pytest.mark.parametrize(
    ("key", "formula"),
    [
        ("power/it", "{a/power/in} + sum({pdu-?/power/*})"),
        ("power/it", "{a/power/whatever-it-has}"),
        ("power/it", "{pdu-*/power/in}"),
        ("energy/it", "integral({a/power/in})"),
        ("energy/it", "{a/energy/in} + {pdu-1/energy/in}"),
        ("temperature/mean", "mean({cdu/temperature/*})"),
        ("temperature/mean", "sum({cdu/temperature/*}) / 4"),
        ("power/it", "sum({pdu-1/*})"),
        ("power/it", "sum({pdu-1/*power/in}) + 1 [W]"),
        ("pue/site", "{a/power/in} / sum({pdu-[12]/power/in})"),
        ("utilization/agent", "{agent/utilization/cpu}"),
    ],
)
def test_what_may_come_out_is_right(key: str, formula: str) -> None:
    assert list(mistakes({key: formula}, READINGS)) == []


@pytest.mark.parametrize(
    ("key", "formula", "column", "words"),
    [
        ("power/it", "{a/power/in} + {b/power/in}", 16, "no device 'b' is configured"),
        ("power/it", "{pdu1/power/in}", 1, "did you mean 'pdu-1'?"),
        ("power/it", "sum({rack-*/power/in})", 5, "no device 'rack-*' is configured"),
        ("power/it", "2 * {site/power/in}", 5, "is a channel of this device itself"),
        ("power/it", "{a/powr/in}", 1, "unknown quantity 'powr'; did you mean 'power'?"),
        ("power/it", "{a/power}", 1, "is not {device/quantity/name}"),
        ("power/it", "{a/power/in} + {cdu/flow/in}", 14, "cannot be added to"),
        ("power/it", "sum({pdu-*/energy/*})", 1, "not in W"),
        ("power/it", "{a/temperature/in}", 1, "comes out in K, not in W"),
        ("temperature/x", "{a/temperature/in} + {cdu/temperature/in}", 1, "adds up 2 temperatures"),
        ("energy/it", "{a/power/in} * 1 [s]", 1, "power is no counter; use integral"),
        ("power/it", "({a/power/in}", 14, ") is missing"),
        ("power/it", "sum({pdu-1/*} & 1", 14, "not understood"),
        ("powr/it", "1 [W]", 1, "did you mean 'power'?"),
        ("power/", "1 [W]", 1, "is not quantity/name"),
    ],
)
def test_a_mistake_is_told_with_its_column(key: str, formula: str, column: int, words: str) -> None:
    [(found, at, reason)] = mistakes({key: formula}, READINGS)
    assert (found, at) == (key, column) and words in reason, reason
