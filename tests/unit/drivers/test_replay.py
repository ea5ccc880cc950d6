"""A recorded trace, played as a device."""

from __future__ import annotations

import time
from itertools import accumulate, pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeagent.drivers.replay import ReplayOptions, ReplaySensor, row_at
from edgeagent_sdk.channel import Fault
from edgeagent_sdk.driver import Host
from edgeagent_sdk.errors import DriverError

TRACE = "time_s,power/gpu,energy/gpu,note\n10,100,0,a\n11,200,150,b\n13,300,650,c\n"


def sensor(tmp_path: Path, text: str | bytes, **options: object) -> ReplaySensor:
    file = tmp_path / "trace.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return ReplaySensor(Host(), ReplayOptions(path=str(file), **options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("at_s", "loop", "power", "energy"),
    [
        pytest.param(0.0, False, 100, 0, id="the first row"),
        pytest.param(0.9, False, 100, 0, id="which holds"),
        pytest.param(1.0, False, 200, 150, id="until the next"),
        pytest.param(3.0, False, 300, 650, id="the last row"),
        pytest.param(4.9, False, 300, 650, id="holds as long as the one before it"),
        pytest.param(5.0, True, 100, 650, id="round again: gauges begin anew, counters go on"),
        pytest.param(6.0, True, 200, 800, id="and on"),
        pytest.param(10.0, True, 100, 1300, id="and on"),
    ],
)
def test_the_row_of_a_moment(at_s: float, loop: bool, power: float, energy: float) -> None:
    times = [0.0, 1.0, 3.0]
    rows = [[100.0, 0.0], [200.0, 150.0], [300.0, 650.0]]
    assert row_at(times, rows, [0.0, 650.0], at_s, loop=loop) == [power, energy]


def test_a_trace_that_has_ended_is_a_fault() -> None:
    assert row_at([0.0, 1.0], [[1.0], [2.0]], [0.0], 2.0, loop=False) == [Fault("the trace has ended")]


_CELLS = st.one_of(st.just(""), st.just("n/a"), st.integers(0, 1000).map(str))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # each example writes its own trace
@given(
    rows=st.lists(st.tuples(st.integers(1, 100), _CELLS), min_size=1, max_size=10),
    moments_s=st.lists(st.floats(0, 1000), max_size=20),
)
def test_a_looping_counter_never_falls(
    tmp_path: Path, rows: list[tuple[int, str]], moments_s: list[float]
) -> None:
    """Nor where cells are empty or the recorded counter began again."""
    times = list(accumulate(pause for pause, _ in rows))
    lines = "".join(f"{at},{cell}\n" for at, (_, cell) in zip(times, rows, strict=True))
    made = sensor(tmp_path, f"t,energy/x\n{lines}", loop=True)
    made.open()
    with pytest.MonkeyPatch.context() as patch:
        clock = iter([0.0, *sorted(moments_s)])
        patch.setattr("edgeagent.drivers.replay.time.monotonic", lambda: next(clock))
        played = [made.read()[0] for _ in range(1 + len(moments_s))]
    numbers = [v for v in played if not isinstance(v, Fault)]
    assert all(b >= a for a, b in pairwise(numbers))


def test_a_counter_that_began_again_goes_on_rising(tmp_path: Path) -> None:
    made = sensor(tmp_path, "t,energy/x\n0,\n1,100\n2,150\n3,20\n4,\n", loop=True, speed=1.0)
    made.open()
    with pytest.MonkeyPatch.context() as patch:
        clock = iter(range(10))
        patch.setattr("edgeagent.drivers.replay.time.monotonic", lambda: float(next(clock)))
        played = [made.read()[0] for _ in range(10)]
    assert [v for v in played if not isinstance(v, Fault)] == [100, 150, 170, 170, 220, 240]


def test_columns_by_header(tmp_path: Path) -> None:
    made = sensor(tmp_path, TRACE)
    assert [f"{c.quantity.name}/{c.name}" for c in made.open()] == ["power/gpu", "energy/gpu"]
    assert made.read() == [100.0, 0.0]


def test_columns_by_option_and_iso_times(tmp_path: Path) -> None:
    text = "when,watts\n2026-01-01T00:00:00Z,5\n2026-01-01T00:00:01Z,6\n"
    made = sensor(tmp_path, text, columns={"watts": "power/in"}, speed=1e9, loop=True)
    assert [f"{c.quantity.name}/{c.name}" for c in made.open()] == ["power/in"]
    assert made.read() == [5.0]


def test_a_spreadsheets_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    made = sensor(tmp_path, "\ufefftime_s,power/x\n0,1\n", time_column="time_s")
    made.open()
    assert made.read() == [1.0]


def test_the_agent_plays_on_after_opening_anew(tmp_path: Path) -> None:
    made = sensor(tmp_path, "t,power/x\n0,1\n1000,2\n", speed=1e6)
    made.open()
    made.read()
    time.sleep(0.003)
    made.close()
    made.open()
    assert made.read() == [Fault("the trace has ended")]


def test_empty_cells_and_words_are_faults(tmp_path: Path) -> None:
    made = sensor(tmp_path, "t,power/a,power/b,power/c\n0,,n/a,7\n")
    made.open()
    empty, word, seven = made.read()
    assert isinstance(empty, Fault) and "the cell is empty" in empty.reason
    assert isinstance(word, Fault) and "'n/a' is not a number" in word.reason
    assert seven == 7.0


def test_a_real_trace_is_played_in_place() -> None:
    """Heat of a supercomputer's coolant distribution units; the file lies beside the project, if at all."""
    trace = Path(__file__).parents[4] / "shared/data/liquid_cooling/cdu_power_16h.csv"
    if not trace.exists():
        pytest.skip("the published traces are not beside this checkout")
    columns = {"cdu1_power_w": "power/cdu1", "wetbulb_c": "temperature/wetbulb"}
    made = ReplaySensor(Host(), ReplayOptions(path=str(trace), columns=columns, speed=60.0))
    assert [c.quantity.name for c in made.open()] == ["power", "temperature"]
    assert made.read() == [1013385.0, 4.83]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        pytest.param("", {}, "is empty", id="empty"),
        pytest.param("time_s,power/gpu\n", {}, "has a header but no rows", id="no rows"),
        pytest.param(
            "a,b\n1,2\n", {}, "no column is called quantity/channel; name the columns", id="foreign header"
        ),
        pytest.param(
            "t,powr/x\n0,1\n", {}, "column 'powr/x': unknown quantity 'powr'", id="unknown quantity"
        ),
        pytest.param("t,power/X\n0,1\n", {}, "'x' would do", id="illegal name"),
        pytest.param(
            "t,power/x\nsoon,1\n", {}, ":2: 'soon' is neither seconds nor an ISO 8601 time", id="time"
        ),
        pytest.param("t,power/x\nnan,1\n", {}, ":2: 'nan' is neither seconds", id="time is no number"),
        pytest.param("t,power/x\n0,1\n1e999,1\n", {}, ":3: '1e999' is neither seconds", id="endless"),
        pytest.param("t,power/x\n1,1\n1,2\n", {}, ":3: the time does not rise", id="time stands still"),
        pytest.param("t,w\n0,1\n", {"columns": {"v": "power/x"}}, "no column 'v'; known: t, w", id="column"),
        pytest.param(
            "t,power/x\n0,1\n", {"time_column": "tt"}, "no column 'tt'; did you mean 't'?", id="time column"
        ),
        pytest.param(b"t,power/x\n0,\xff\n", {}, "not a CSV file", id="not UTF-8"),
    ],
)
def test_refusals(tmp_path: Path, text: str | bytes, options: dict[str, object], message: str) -> None:
    with pytest.raises(DriverError) as error:
        sensor(tmp_path, text, **options).open()
    assert message in str(error.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DriverError, match=r"nowhere\.csv: no such file"):
        ReplaySensor(Host(), ReplayOptions(path=str(tmp_path / "nowhere.csv"))).open()
