"""Totals of meters' counters: they never fall, over wraps, resets, glitches and restarts."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeagent.drivers.modbus.mapkeys import MapFile, Register
from edgeagent.drivers.modbus.points import points
from edgeagent.drivers.modbus.totals import Totals
from edgeagent_sdk.channel import Fault, Value


def totals(path: Path | None = None, kind: str = "u32", device: str = "d") -> Totals:
    register = Register(address=0, type=kind)  # type: ignore[arg-type]
    return Totals(points(MapFile(title="t", source="s", register={"energy/in": register})), 1e6, path, device)


def follow(keeper: Totals, value: float) -> Value:
    values: list[Value] = [value]
    keeper.follow(values)
    return values[0]


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        pytest.param([100.0, 110.0], [100.0, 110.0], id="it is the meter's"),
        pytest.param([2.0**32 - 5, 3.0], [2.0**32 - 5, 2.0**32 + 3], id="over a wrap"),
        pytest.param([5e8, 7.0, 9.0], [5e8, None, 5e8 + 9], id="over a reset"),
        pytest.param([5e8, 0.0, 5e8, 5e8], [5e8, None, None, 5e8], id="a glitch of 0 counts nothing"),
        pytest.param([5e8, 5e8 - 1], [5e8, None], id="a step back"),
        pytest.param([100.0, 3e9, 3e9], [100.0, None, 100.0], id="faster than any power believed"),
    ],
)
def test_readings(readings: list[float], expected: list[float | None]) -> None:
    keeper = totals()
    for reading, value in zip(readings, expected, strict=True):
        found = follow(keeper, reading)
        assert isinstance(found, Fault) if value is None else found == value


def test_a_meter_that_counts_whole_kilowatt_hours() -> None:
    """A step is more than the largest power brings in the second between two readings."""
    register = Register(address=0, type="u32", unit="kWh")
    table = MapFile(title="t", source="s", register={"energy/in": register})
    keeper = Totals(points(table), 50e3, None, "d")
    assert [follow(keeper, 3.6e6 * count) for count in (7, 7, 8, 9)] == [25.2e6, 25.2e6, 28.8e6, 32.4e6]


def test_a_restart_with_any_time_between(tmp_path: Path) -> None:
    path = tmp_path / "totals.json"
    keeper = totals(path)
    assert follow(keeper, 2.0**32 - 10) == 2.0**32 - 10
    assert follow(keeper, 10.0) == 2.0**32 + 10
    keeper.save()
    assert follow(totals(path), 3e9) == 2.0**32 + 3e9, "counted on while the agent was down"
    assert follow(totals(path, device="another"), 5.0) == 2.0**32 + 10 + 5, "begun anew"


def test_nothing_read_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "totals.json"
    keeper = totals(path)
    follow(keeper, 2.0**32 - 1)
    follow(keeper, 7.0)
    keeper.save()
    silent = totals(path)
    silent.follow([Fault("not available")])
    silent.save()
    assert follow(totals(path), 8.0) == 2.0**32 + 8


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
            keeper.save()
            keeper = totals(path)
        value = follow(keeper, reading)
        if not isinstance(value, Fault):
            assert value >= last
            last = value
