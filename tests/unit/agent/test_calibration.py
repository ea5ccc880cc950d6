"""Calibration through measured → true points."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeagent.calibration import calibrate


@pytest.mark.parametrize(
    ("points", "measured", "true"),
    [
        pytest.param([(0, 0.1), (10, 10.1)], 5, 5.1, id="offset"),
        pytest.param([(0, 0), (10, 11)], 5, 5.5, id="gain"),
        pytest.param([(0, 0), (10, 11)], 20, 22, id="beyond the last point the segment goes on"),
        pytest.param([(0, 0), (10, 11)], -10, -11, id="and before the first"),
        pytest.param([(0, 0), (1, 2), (2, 3)], 0.5, 1, id="first of two segments"),
        pytest.param([(0, 0), (1, 2), (2, 3)], 1.5, 2.5, id="second of two segments"),
        pytest.param([(0, 0), (1, 2), (2, 3)], 1, 2, id="on a point"),
        pytest.param([(0, 5), (1, -5)], 0.25, 2.5, id="falling"),
    ],
)
def test_table(points: list[tuple[float, float]], measured: float, true: float) -> None:
    assert calibrate(points)(measured) == pytest.approx(true)


@given(
    st.lists(
        st.tuples(st.integers(-1000, 1000), st.integers(-1000, 1000)),
        min_size=2,
        max_size=8,
        unique_by=lambda p: p[0],
    )
)
def test_every_point_is_met(points: list[tuple[int, int]]) -> None:
    curve = [(float(x), float(y)) for x, y in sorted(points)]
    correct = calibrate(curve)
    for measured, true in curve:
        assert correct(measured) == pytest.approx(true)
