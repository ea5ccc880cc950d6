"""What is believed of the feed, what meters see beyond the leaves, and how warm breakers are."""

from __future__ import annotations

from math import inf, nan
from pathlib import Path

import numpy as np
import pytest

from edgeagent_central.optimize.feed import Feed, Latest
from edgeagent_central.optimize.power.readings import Readings, Wanted
from edgeagent_central.optimize.power.told import Told
from edgeagent_central.optimize.power.topology.load import load_topology
from edgeagent_central.optimize.power.watch import Watch
from edgeagent_sdk.errors import EdgeError
from edgeagent_sdk.lineproto import head
from edgeagent_sdk.names import Identity

_NOW_NS = 1_800_000_000 * 10**9
_S = 10**9

_SITE = """
site = "lab"
[[domain]]
name = "root"
limit_kw = 2
[[domain]]
name = "rack"
parent = "root"
breaker = {rated_a = 1, voltage_v = 230}
meter = "pdu/pdu/in"
battery = {power_kw = 1, capacity_kwh = 2, stored = "ups/ups/battery", charge = "ups/ups/charge"}
[[server]]
name = "n[1-2]"
domain = "rack"
other_w = 50
[[server.component]]
name = "gpu"
cap = "gpu/cap"
power = "gpu/board"
min_w = 100
max_w = 400
idle_w = 40
clock = "gpu/clock-limit"
clock_now = "gpu/clock"
clock_max_hz = 2e9
"""


def _series(node: str, quantity: str, device: str, channel: str) -> str:
    return head(quantity, channel, device, Identity("lab", node))


@pytest.mark.parametrize(
    ("value", "age_s", "fresh", "why"),
    [
        (100.0, 0.5, True, ""),
        (100.0, 4.9, True, ""),
        (100.0, 5.1, False, "too old"),
        (100.0, -1.9, True, ""),
        (100.0, -2.1, False, "stamped ahead"),
        (-3.0, 0.5, True, ""),
        (-30.0, 0.5, False, "less than nothing"),
        (480.0, 0.5, True, ""),
        (481.0, 0.5, False, "more than it can be"),
        (1e7, 0.5, False, "more than it can be"),
        (inf, 0.5, False, "more than it can be"),
        (nan, 0.5, False, "more than it can be"),
    ],
)
def test_what_is_believed(value: float, age_s: float, fresh: bool, why: str) -> None:
    readings = Readings("lab", [Wanted("n1", "power", "gpu", "board", -8.0, 480.0)], 5.0)
    series = _series("n1", "power", "gpu", "board")
    readings.take(Latest(_NOW_NS, [(series, 200.0, _NOW_NS - _S)]), _NOW_NS)
    readings.take(Latest(_NOW_NS, [(series, value, int(_NOW_NS - age_s * _S))]), _NOW_NS)
    assert readings.fresh[0] == fresh
    assert readings.value[0] == (value if fresh else 200.0), "a lie does not replace the truth before it"
    assert why in readings.troubles().get("n1/gpu/board (power)", "")


class _Feed(Feed):
    """Answers with what is in it."""

    def __init__(self) -> None:
        self.answer: Latest | EdgeError = EdgeError("aggregator: nothing listens there")

    def ask(self) -> Latest:
        if isinstance(self.answer, EdgeError):
            raise self.answer
        return self.answer

    def say(self, at_s: float, power_w: float, meter_w: float | None = None) -> None:
        stamp_ns = _NOW_NS + int(at_s * _S)
        rows = [(_series(f"n{i}", "power", "gpu", "board"), power_w, stamp_ns) for i in (1, 2)]
        rows += [(_series("n1", "frequency", "gpu", "clock"), 1.5e9, stamp_ns)]
        rows += [(_series("ups", "soc", "ups", "battery"), 0.5, stamp_ns)]
        if meter_w is not None:
            rows.append((_series("pdu", "power", "pdu", "in"), meter_w, stamp_ns))
        self.answer = Latest(stamp_ns, rows)


@pytest.fixture
def seen(tmp_path: Path) -> tuple[Watch, _Feed]:
    (tmp_path / "site.toml").write_text(_SITE)
    feed = _Feed()
    return Watch(load_topology(tmp_path / "site.toml"), feed, 5.0), feed


def test_before_anything_is_known_all_draw_what_they_may(seen: tuple[Watch, _Feed]) -> None:
    watch, _ = seen
    sight = watch.look(100.0, np.array([400.0, 50.0, 300.0, 50.0]), {})
    assert sight.power_w.tolist() == [400.0, 50.0, 300.0, 50.0]
    assert sight.fresh.tolist() == [False, True, False, True] and np.isnan(sight.total_w)
    assert watch.troubles() == {"the feed": "aggregator: nothing listens there"}


def test_what_is_seen(seen: tuple[Watch, _Feed]) -> None:
    watch, feed = seen
    bound_w = np.full(4, 400.0)
    for second in range(40):
        feed.say(second, 300.0, 780.0)
        sight = watch.look(100.0 + second, bound_w, {})
    assert sight.power_w.tolist() == [300.0, 50.0, 300.0, 50.0] and sight.fresh.all()
    assert sight.clock[0] == 0.75 and np.isnan(sight.clock[1:]).all()
    assert sight.stored_j == {1: 0.5 * 2 * 3.6e6}
    assert sight.hidden_w.tolist() == [80.0, 80.0], "losses that the meter sees, and the root carries as well"
    assert sight.total_w == 700.0, "the root has no meter"
    rated_w = 1 * 230 * 3 * 0.98
    assert sight.heat[0] == pytest.approx((780 / rated_w) ** 2), "steady, so as warm as it gets"
    for second in range(40, 100):
        feed.say(second, 400.0, 2 * rated_w)
        sight = watch.look(100.0 + second, bound_w, {})
    assert sight.heat[0] == pytest.approx(4.0 - (4.0 - (780 / rated_w) ** 2) * np.exp(-60 / 60))


def test_what_batteries_take_or_give_is_not_hidden(seen: tuple[Watch, _Feed]) -> None:
    watch, feed = seen
    for second in range(20):
        feed.say(second, 300.0, 780.0 - 500.0)
        sight = watch.look(100.0 + second, np.full(4, 400.0), {1: -500.0})
    assert sight.hidden_w.tolist() == [80.0, 80.0]


def test_a_leaf_that_draws_beyond_the_cap_it_says_it_holds_is_counted_with_what_it_draws(
    seen: tuple[Watch, _Feed],
) -> None:
    watch, feed = seen
    for second in range(10):
        feed.say(second, 300.0)
        sight = watch.look(100.0 + second, np.array([200.0, 50.0, 400.0, 50.0]), {})
        late = second < 7  # a cap needs a while, and so do readings
        assert sight.hidden_w.tolist() == ([0.0, 0.0] if late else [100.0, 100.0])
    assert "n1/gpu" in watch.troubles()


def test_when_the_feed_ends_all_is_stale_and_the_last_draw_is_kept(seen: tuple[Watch, _Feed]) -> None:
    watch, feed = seen
    feed.say(0, 300.0)
    watch.look(100.0, np.full(4, 400.0), {})
    feed.answer = EdgeError("aggregator: no answer in time")
    for at_s, fresh in ((104.0, True), (106.0, False)):
        sight = watch.look(at_s, np.full(4, 400.0), {})
        assert sight.fresh[0] == fresh and sight.power_w[0] == 300.0
    assert watch.trouble == "aggregator: no answer in time"


def test_a_trouble_is_told_once_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    told = Told()
    with caplog.at_level("INFO", "edgeagent"):
        for troubles in ({"n1": "lies"}, {"n1": "lies"}, {"n1": "is silent"}, {}, {}):
            told.update(troubles)
        told.update({f"n{i}": "x" for i in range(100)})
    words = [record.getMessage() for record in caplog.records]
    assert words[:3] == ["n1: lies", "n1: is silent", "n1: well again"]
    assert len(words) == 3 + 11 and words[-1] == "and 90 more"
