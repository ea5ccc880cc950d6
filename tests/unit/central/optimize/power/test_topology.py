"""site.toml: what it becomes, and every mistake in its line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeagent_central.optimize.power.topology.draw import rows
from edgeagent_central.optimize.power.topology.load import Topology, load_topology, unsafe_fallbacks
from edgeagent_central.optimize.power.topology.names import expanded
from edgeagent_sdk.config import ConfigError

RIGHT = """\
site = "lab"
[[domain]]
name = "grid"
limit_kw = 40
ramp_up_kw_per_s = 5
battery = { power_kw = 5, capacity_kwh = 2, reserve_kwh = 0.5 }
[[domain]]
name = "rack-1"
parent = "grid"
breaker = { rated_a = 32 }
[[domain]]
name = "rack-2"
parent = "grid"
feeds = [{ name = "a", limit_kw = 10 }, { name = "b", limit_kw = 12 }]
[[server]]
name = "n[08-11]"
domain = "rack-2"
work = "training"
priority = 3
other_w = 150
[[server.component]]
name = "gpu0"
cap = "nvml/gpu0_power_limit"
power = "nvml/gpu0"
min_w = 100
max_w = 250
fallback_w = 120
[[server]]
name = "m1"
domain = "rack-1"
[[server.component]]
name = "cpu"
cap = "powercap/package-0"
power = "powercap/package-0"
min_w = 60
max_w = 150
"""


def loaded(tmp_path: Path, text: str) -> Topology:
    """The topology of a file with `text`."""
    path = tmp_path / "site.toml"
    path.write_text(text)
    return load_topology(path)


def test_what_it_becomes(tmp_path: Path) -> None:
    site = loaded(tmp_path, RIGHT).site
    assert site.domains == ("grid", "rack-1", "rack-2")
    assert site.leaves[0] == "m1/cpu"  # in the order of the tree
    assert site.leaves[1:3] == ("n08/gpu0", "n08/other")
    assert site.tree.limit_w == pytest.approx([40e3, 32 * 230 * 3 * 0.98, 10e3])
    assert site.tree.load_w(site.max_w) == pytest.approx([1750, 150, 1600])
    assert site.weight[:2] == pytest.approx([1, 4])
    assert site.fallback_w[:3] == pytest.approx([150, 120, 150])
    assert site.storage[0].reserve_j == 1.8e6 and site.ramp_up_w_per_s[0] == 5e3
    assert site.breakers[1].trip == pytest.approx(1.25**2)


def test_rows_for_programs(tmp_path: Path) -> None:
    found = rows(loaded(tmp_path, RIGHT))
    assert [row["servers"] for row in found] == [5, 1, 4]
    assert (found[2]["floor_w"], found[2]["most_w"]) == (1000.0, 1600.0)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        pytest.param(
            ('parent = "grid"\nbreaker', 'parent = "gird"\nbreaker'),
            "site.toml:9: domain[1].parent: no domain 'gird'; did you mean 'grid'?",
            id="orphan",
        ),
        pytest.param(
            ('parent = "grid"\nbreaker', 'parent = "rack-1"\nbreaker'),
            "domain[1].parent: does not lead to the root 'grid': its parents go round in a circle",
            id="cycle",
        ),
        pytest.param(
            ('parent = "grid"\nbreaker', "breaker"),
            "exactly one domain, the root, has no parent; here 2 have none: grid, rack-1",
            id="two roots",
        ),
        pytest.param(
            ('name = "rack-2"', 'name = "rack-1"'), "'rack-1' stands twice; names are unique", id="twice"
        ),
        pytest.param(
            ("limit_kw = 40\n", "limit_kw = 1\n"),
            "site.toml:4: domain[0].limit_kw: its servers draw at least 1.06 kW, and it may carry 1 kW",
            id="floors above the limit",
        ),
        pytest.param(
            ("limit_kw = 40\n", ""),
            "domain[0].limit_kw: the root needs one, or a breaker, or feeds",
            id="no limit",
        ),
        pytest.param(
            ("limit_kw = 40\n", "limit_kw = -4\n"), "site.toml:4: domain[0].limit_kw: ", id="negative"
        ),
        pytest.param(
            ('work = "training"', 'work = "trainin"'),
            "server[0].work: no profile 'trainin'; did you mean 'training'?",
            id="no such work",
        ),
        pytest.param(
            ("fallback_w = 120", "fallback_w = 90"),
            "fallback_w 90 must lie between min_w 100 and max_w 250",
            id="fallback below",
        ),
        pytest.param(
            ("max_w = 250", "max_w = 90"),
            "min_w 100 and idle_w 0 must not be above max_w 90",
            id="min above max",
        ),
        pytest.param(("n[08-11]", "n[11-08]"), "[11-08] must go up", id="range"),
        pytest.param(
            ('name = "m1"', 'name = "n09"'), "'n09' stands twice; names are unique", id="server twice"
        ),
        pytest.param(("max_w = 250\nfallback_w = 120", "max_w = inf"), "max_w inf", id="no number"),
        pytest.param(
            (
                "fallback_w = 120\n",
                'fallback_w = 120\n[[server.component]]\nname = "gpu1"\ncap = "nvml/gpu0_power_limit"\n'
                'power = "nvml/gpu1"\nmin_w = 100\nmax_w = 250\n',
            ),
            "server[0].component[1].cap: 'nvml/gpu0_power_limit' stands twice",
            id="cap twice",
        ),
        pytest.param(("priority = 3", "priorty = 3"), "unknown key; did you mean 'priority'?", id="typo"),
    ],
)
def test_mistakes(tmp_path: Path, change: tuple[str, str], problem: str) -> None:
    assert change[0] in RIGHT
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, RIGHT.replace(*change, 1))
    assert any(problem in str(found) for found in caught.value.problems), caught.value.problems


def test_nothing_that_can_be_held_is_no_topology(tmp_path: Path) -> None:
    text = 'site = "lab"\n[[domain]]\nname = "grid"\nlimit_kw = 1\n[[server]]\nname = "m1"\ndomain = "grid"\n'
    with pytest.raises(ConfigError, match="no server has a component"):
        loaded(tmp_path, text + "other_w = 100\n")


def test_a_class_of_work_of_ones_own(tmp_path: Path) -> None:
    own = '[[profile]]\nname = "render"\nx = [0.5]\nwork = [0.8]\nsteady = true\n'
    profile = loaded(tmp_path, RIGHT + own).site.profiles[-1]
    assert profile.name == "render" and profile.steady and profile.at(np.array([0.5])) == [0.8]


def test_fallbacks_above_a_limit_are_told(tmp_path: Path) -> None:
    assert unsafe_fallbacks(loaded(tmp_path, RIGHT).site) == []
    told = unsafe_fallbacks(loaded(tmp_path, RIGHT.replace("limit_kw = 40\n", "limit_kw = 1.1\n")).site)
    assert len(told) == 1 and told[0].startswith("grid: when nothing central lives")


def test_a_child_may_be_allowed_more_than_its_parent(tmp_path: Path) -> None:
    """Oversubscription is what all this is for."""
    site = loaded(tmp_path, RIGHT.replace("limit_kw = 40", "limit_kw = 5")).site
    assert np.all(site.tree.limit_w[1:] > site.tree.limit_w[0])


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("n1", ["n1"]),
        ("n[1-3]", ["n1", "n2", "n3"]),
        ("n[08-10]", ["n08", "n09", "n10"]),
        ("r[1-2]n[1-2]", ["r1n1", "r1n2", "r2n1", "r2n2"]),
    ],
)
def test_ranges(pattern: str, names: list[str]) -> None:
    assert list(expanded(pattern)) == names
