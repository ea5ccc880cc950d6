"""Units of expressions: what they stand for, and what is refused."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeagent.drivers.virtual.units import UnitError, describe, parse_unit
from edgeagent_sdk.quantities import QUANTITIES

SAME = [
    ("kW", "W", 1e3),
    ("kW.h", "J", 3.6e6),
    ("L/min", "m3/s", 1e-3 / 60),
    ("kPa", "N/m2", 1e3),
    ("VA", "W", 1.0),
    ("%", "1", 0.01),
    ("kJ/(kg.K)", "J/kg/K", 1e3),
    ("g/(kW.h)", "kg/J", 1e-3 / 3.6e6),
    ("{rpm}", "Hz", 1 / 60),
    ("/s", "Hz", 1.0),
    ("V.A", "W", 1.0),
    ("mOhm", None, 0.0),
    ("s-1", "Hz", 1.0),
    ("", None, 0.0),
    ("W/", None, 0.0),
    ("W W", None, 0.0),
    ("(W", None, 0.0),
    ("W)", None, 0.0),
    ("W//s", None, 0.0),
    ("furlong", None, 0.0),
    ("W²", None, 0.0),
    ("kCel", None, 0.0),
]


@pytest.mark.parametrize(("text", "same_as", "factor"), SAME)
def test_unit(text: str, same_as: str | None, factor: float) -> None:
    if same_as is None:
        with pytest.raises(UnitError, match=r"^unit "):
            parse_unit(text)
        return
    unit, other = parse_unit(text), parse_unit(same_as)
    assert unit.dimension == other.dimension
    assert unit.factor == pytest.approx(factor * other.factor)


@pytest.mark.parametrize("unit", sorted({quantity.unit for quantity in QUANTITIES.values()}))
def test_every_quantity_has_a_unit_that_can_be_calculated_with(unit: str) -> None:
    assert parse_unit(unit).factor > 0


def test_a_dimension_is_told_in_base_units() -> None:
    assert describe(parse_unit("W").dimension) == "m2.kg.s-3"
    assert describe(parse_unit("1").dimension) == "1"


@given(st.text(alphabet="WJskgmhL/.()-123{} ", max_size=12))
def test_any_text_is_a_unit_or_refused_in_words(text: str) -> None:
    try:
        assert math.isfinite(parse_unit(text).factor)
    except (UnitError, OverflowError, ZeroDivisionError) as error:
        assert isinstance(error, UnitError)
