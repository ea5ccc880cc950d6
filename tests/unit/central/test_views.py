"""The feed of last values that optimizers ask for each second."""

from __future__ import annotations

import pytest

from edgeagent_central import views
from edgeagent_central.fleet import Fleet, Node
from edgeagent_sdk.lineproto import head
from edgeagent_sdk.names import Identity

_T = 1_790_000_000 * 10**9


def _fleet() -> Fleet:
    fleet = Fleet()
    for identity in (Identity("s1", "n1"), Identity("s1", "n2"), Identity("s2", "n1")):
        node = Node(identity)
        for quantity in ("power", "power_factor", "soc"):
            node.latest[head(quantity, "in", "psu", identity).encode()] = (1.5, _T)
        fleet.admit(node)
    return fleet


@pytest.mark.parametrize(
    ("site", "quantities", "rows"),
    [
        ("s1", ["power"], 2),
        ("s1", ["power", "soc"], 4),
        ("", ["power"], 3),
        ("s3", ["power"], 0),
        ("s1", ["energy"], 0),
    ],
)
def test_the_last_values_of_some_quantities(site: str, quantities: list[str], rows: int) -> None:
    found = views.latest(_fleet(), site, quantities)["latest"]
    assert len(found) == rows
    assert all(row[0].partition(",")[0] in quantities and row[1:] == (1.5, _T) for row in found)


def test_a_series_that_comes_later_is_there_and_values_are_the_newest() -> None:
    fleet = _fleet()
    assert len(views.latest(fleet, "s2", ["power"])["latest"]) == 1
    identity = Identity("s2", "n1")
    series = head("power", "out", "psu", identity)
    fleet.nodes[identity].latest[series.encode()] = (2.0, _T + 1)
    fleet.nodes[identity].latest[head("power", "in", "psu", identity).encode()] = (3.0, _T + 1)
    found = {row[0]: row[1] for row in views.latest(fleet, "s2", ["power"])["latest"]}
    assert found[series] == 2.0 and sorted(found.values()) == [2.0, 3.0]
