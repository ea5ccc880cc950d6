"""Orders: what they say at each moment, what is refused, and what came of them."""

from __future__ import annotations

from math import inf, nan
from pathlib import Path

import msgspec
import pytest

from edgeagent_central.optimize.power.book import Book
from edgeagent_central.optimize.power.orders import Asked, Order, power_w, seconds, share
from edgeagent_central.optimize.power.sharing import _news
from edgeagent_sdk.errors import EdgeError

_NOW_S = 1_800_000_000.0


@pytest.mark.parametrize(
    ("at_s", "phase", "limit_w"),
    [
        (-1, "coming", inf),
        (0, "ramping", 1000.0),
        (30, "ramping", 875.0),
        (60, "holding", 750.0),
        (599, "holding", 750.0),
        (600, "returning", 750.0),
        (630, "returning", 875.0),
        (660, "over", inf),
    ],
)
@pytest.mark.parametrize("how", [{"by": 0.25}, {"to_w": 750.0}])
def test_the_limit_follows_the_ramp(at_s: float, phase: str, limit_w: float, how: dict[str, float]) -> None:
    order = Order(id="x", from_s=_NOW_S, for_s=600, ramp_s=60, **how)  # type: ignore[arg-type]
    assert order.phase(_NOW_S + at_s) == phase
    assert order.limit_w(_NOW_S + at_s, 1000.0) == pytest.approx(limit_w)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"for_s": 60}, "either to how many watts"),
        ({"for_s": 60, "by": 0.2, "to_w": 5}, "either to how many watts"),
        ({"for_s": 60, "by": 1.5}, "a share lies between"),
        ({"for_s": 60, "to_w": -1}, "give 0 or more"),
        ({"for_s": 60, "to_w": nan}, "give 0 or more"),
        ({"for_s": 0, "by": 0.2}, "give a time above 0"),
        ({"for_s": inf, "by": 0.2}, "give a time above 0"),
        ({"for_s": 60, "by": 0.2, "ramp_s": 61}, "it lies between 0 and the 60 s"),
        ({"for_s": 60, "by": 0.2, "from_s": _NOW_S - 61}, "it would be over already"),
        ({"for_s": 60, "by": 0.2, "from_s": 1e18}, "further ahead than a year"),
    ],
)
def test_what_cannot_be_is_refused(body: dict[str, float], why: str) -> None:
    with pytest.raises(EdgeError, match=why):
        msgspec.convert(body, Asked).order(_NOW_S)


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (power_w, "300kW", 3e5),
        (power_w, "1.2 MW", 1.2e6),
        (power_w, "5000W", 5e3),
        (share, "25%", 0.25),
        (seconds, "90", 90),
        (seconds, "90s", 90),
        (seconds, "10min", 600),
        (seconds, "3h", 10800),
        (power_w, "300", None),
        (share, "0.25", None),
        (seconds, "soon", None),
        (seconds, "1.2.3s", None),
        (power_w, ".kW", None),
    ],
)
def test_quantities_in_words(read, text: str, value: float | None) -> None:  # type: ignore[no-untyped-def]
    if value is None:
        with pytest.raises(EdgeError, match="write"):
            read(text)
    else:
        assert read(text) == pytest.approx(value)


def test_the_report_tells_what_was_measured(tmp_path: Path) -> None:
    book = Book(tmp_path / "orders.json", floor_w=800.0)
    for second in range(100):
        book.measure(_NOW_S + second, 1000.0)
    begin_s = _NOW_S + 100
    report = book.add(Asked(by=0.25, for_s=60), begin_s)
    assert report["target_w"] == 750.0 and "cannot be held below 0.8 kW" in report["note"]
    for second, drawn_w in enumerate([900.0, 800.0, *[740.0] * 20, 760.0, *[740.0] * 10]):
        book.measure(begin_s + second, drawn_w)
    (report,) = book.reports(begin_s + 33)
    assert report["baseline_w"] == 1000.0 and report["reached_s"] == 2.0
    assert report["seconds_above"] == 1 and report["worst_above_w"] == pytest.approx(10.0)
    assert report["delivered_share"] == pytest.approx(0.26, abs=0.002)
    assert book.limits_w(begin_s + 33, (0.0, 26.0, 28.0)) == [750.0, 750.0, inf]
    again = Book(tmp_path / "orders.json", floor_w=800.0)
    assert again.limits_w(begin_s + 33, (0.0,)) == [750.0], "it is kept, with its baseline"
    assert again.remove(report["id"], begin_s) and again.remove(report["id"], begin_s) is None
    assert Book(tmp_path / "orders.json", floor_w=800.0).reports(begin_s) == []


def test_a_share_of_what_nobody_measures_is_told(tmp_path: Path) -> None:
    book = Book(tmp_path / "orders.json", 100.0)
    assert "before something is measured" in book.add(Asked(for_s=60.0, by=0.25), 0.0)["note"]
    watts = book.add(Asked(for_s=60.0, to_w=500.0), 0.0)
    assert watts["target_w"] == 500.0 and watts["note"] == "", "watts are a limit without"
    book.measure(1.0, 1000.0)
    assert book.reports(1.0)[0]["note"] == ""


def test_seconds_under_an_order_are_no_baseline_of_the_next(tmp_path: Path) -> None:
    book = Book(tmp_path / "orders.json", floor_w=0.0)
    for second in range(10):
        book.measure(_NOW_S + second, 1000.0)
    book.add(Asked(by=0.5, for_s=30), _NOW_S + 10)
    for second in range(10, 40):
        book.measure(_NOW_S + second, 500.0)
    assert book.add(Asked(by=0.1, for_s=30), _NOW_S + 40)["target_w"] == pytest.approx(900.0)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "orders.json").write_text("{")
    with pytest.raises(EdgeError, match="mend or remove it"):
        Book(tmp_path / "orders.json", 0.0)
    with pytest.raises(EdgeError, match="the order is not taken"):
        Book(tmp_path / "none" / "orders.json", 0.0).add(Asked(by=0.5, for_s=30), _NOW_S)


def test_books_that_hear_of_one_another_end_up_with_the_same(tmp_path: Path) -> None:
    one, two = Book(tmp_path / "one.json", 0.0), Book(tmp_path / "two.json", 0.0)
    first = one.add(Asked(by=0.5, for_s=30), _NOW_S)["id"]
    second = two.add(Asked(to_w=300.0, for_s=60), _NOW_S)["id"]
    one.measure(_NOW_S, 1000.0)
    assert one.remove(second, _NOW_S) is None, "it has not heard of it yet"
    for book, other in ((one, two), (two, one), (one, two)):
        book.merge(other.orders(), _NOW_S)
    assert {row["id"] for row in one.reports(_NOW_S)} == {first, second}
    assert two.limits_w(_NOW_S + 1, (0.0, 40.0)) == [300.0, 300.0]
    two.remove(second, _NOW_S)
    two.merge(one.orders(), _NOW_S)
    assert [row["id"] for row in two.reports(_NOW_S)] == [first], "taken back is taken back"
    one.merge(two.orders(), _NOW_S)
    assert one.limits_w(_NOW_S + 1, (0.0,)) == two.limits_w(_NOW_S + 1, (0.0,)) == [500.0]
    assert Book(tmp_path / "one.json", 0.0).limits_w(_NOW_S + 1, (0.0,)) == [500.0]


def test_of_two_baselines_of_an_order_both_take_what_was_measured_for_longer(tmp_path: Path) -> None:
    long, short = Book(tmp_path / "long.json", 0.0), Book(tmp_path / "short.json", 0.0)
    long.add(Asked(by=0.5, for_s=30, from_s=_NOW_S + 100), _NOW_S)
    short.merge(long.orders(), _NOW_S)
    for second in range(101):
        long.measure(_NOW_S + second, 1000.0)
        if second > 90:  # it was started anew
            short.measure(_NOW_S + second, 1200.0)
    assert short.limits_w(_NOW_S + 101, (0.0,)) == [600.0], "until they hear of one another"
    heard = short.orders()
    assert _news(long.orders()[0], heard[0]) and not _news(heard[0], long.orders()[0])
    short.merge(long.orders(), _NOW_S + 101)
    long.merge(heard, _NOW_S + 101)
    for book in (long, short):
        assert book.limits_w(_NOW_S + 101, (0.0,)) == [500.0]
        assert book.reports(_NOW_S + 101)[0]["baseline"].endswith("mean of 99 s")
