"""Totals of devices' counters: they never fall, over wraps, resets, jumps, glitches and restarts."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeagent.drivers.counter import WrapCounter
from edgeagent.drivers.modbus.mapkeys import MapFile, Register
from edgeagent.drivers.modbus.points import counters, points
from edgeagent.drivers.totals import Totals
from edgeagent_sdk.channel import Channel, Fault

KEY = "energy/in"
ENERGY = Channel("in", "energy")
POWER_MAX_W = 1e7


def totals(path: Path | None = None, device: str = "d", wraps_at: float | None = 2.0**32) -> Totals:
    made = Totals(path, device)
    made.adopt({KEY: WrapCounter(wraps_at, POWER_MAX_W)})
    return made


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        pytest.param([100.0, 110.0], [100.0, 110.0], id="it is the meter's"),
        pytest.param([2.0**32 - 5, 3.0], [2.0**32 - 5, 2.0**32 + 3], id="over a wrap"),
        pytest.param([5e8, 7.0, 9.0], [5e8, "fell from 500000000 to 7 J;", 5e8 + 9], id="over a reset"),
        pytest.param([5e8, 0.0, 5e8, 5e8], [5e8, "fell", 5e8, 5e8], id="a glitch of 0 counts nothing"),
        pytest.param([4e6, 7.0, 4e6 + 1], [4e6, "fell", 4e6 + 1], id="nor does one that power could make up"),
        pytest.param([5e8, -3.0, 5e8 + 1], [5e8, "says -3 J", 5e8 + 1], id="nor does less than nothing"),
        pytest.param(
            [5e8, 5e8 - 1, 5e8 - 1], [5e8, "fell from 500000000 to 499999999 J;", 5e8], id="a step back"
        ),
        pytest.param(
            [3.6e9, 3.6e9 + 100, 9e13, 9e13 + 100],
            [3.6e9, 3.6e9 + 100, "jumped from 3600000100 to 9e+13 J;", 3.6e9 + 200],
            id="faster than any power",
        ),
    ],
)
@pytest.mark.parametrize("wraps_at", [2.0**32, None])
def test_readings(readings: list[float], expected: list[float | str], wraps_at: float | None) -> None:
    if wraps_at is None and expected[1:] == [2.0**32 + 3]:
        expected = [expected[0], "fell"]
    keeper = totals(wraps_at=wraps_at)
    for reading, value in zip(readings, expected, strict=True):
        found = keeper.take(ENERGY, reading)
        if isinstance(value, str):
            assert isinstance(found, Fault) and value in found.reason
        else:
            assert found == value


def test_a_meter_that_counts_whole_kilowatt_hours() -> None:
    """A step is more than the largest power brings in the second between two readings."""
    register = Register(address=0, type="u32", unit="kWh")
    keeper = Totals(None, "d")
    keeper.adopt(counters(points(MapFile(title="t", source="s", register={KEY: register})), 50e3))
    assert [keeper.take(ENERGY, 3.6e6 * count) for count in (7, 7, 8, 9)] == [25.2e6, 25.2e6, 28.8e6, 32.4e6]


def test_a_restart_with_any_time_between(tmp_path: Path) -> None:
    path = tmp_path / "totals.json"
    keeper = totals(path)
    assert keeper.take(ENERGY, 2.0**32 - 10) == 2.0**32 - 10
    assert keeper.take(ENERGY, 10.0) == 2.0**32 + 10
    keeper.save(now=True)
    assert totals(path).take(ENERGY, 3e9) == 2.0**32 + 3e9, "counted on while the agent was down"
    assert totals(path, "another").take(ENERGY, 5.0) == 2.0**32 + 10 + 5, "begun anew"


def test_nothing_read_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "totals.json"
    keeper = totals(path)
    keeper.take(ENERGY, 2.0**32 - 1)
    keeper.take(ENERGY, 7.0)
    keeper.save(now=True)
    silent = totals(path)
    assert silent.take(ENERGY, Fault("not available")) == Fault("not available")
    silent.save(now=True)
    assert totals(path).take(ENERGY, 8.0) == 2.0**32 + 8


def test_a_channel_that_comes_again_counts_on() -> None:
    """A device whose rows change is opened anew: what is counted already is not counted again."""
    keeper = totals()
    keeper.take(ENERGY, 5e8)
    keeper.adopt({KEY: WrapCounter(2.0**32), "energy/new": WrapCounter(2.0**32)})
    assert keeper.take(ENERGY, 7.0) == Fault(
        "the counter fell from 500000000 to 7 J; believed when it says so again"
    )
    assert keeper.take(ENERGY, 9.0) == 5e8 + 9
    assert keeper.take(Channel("new", "energy"), 3.0) == 3.0


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(
    readings=st.lists(st.floats(0, 2**32 - 1), min_size=1, max_size=12),
    restarts=st.sets(st.integers(0, 12)),
)
def test_a_total_never_falls(tmp_path: Path, readings: list[float], restarts: set[int]) -> None:
    path = tmp_path / "totals.json"
    path.unlink(missing_ok=True)
    keeper, last = totals(path), 0.0
    for i, reading in enumerate(readings):
        if i in restarts:
            keeper.save(now=True)
            keeper = totals(path)
        value = keeper.take(ENERGY, reading)
        if not isinstance(value, Fault):
            assert value >= last
            last = value
