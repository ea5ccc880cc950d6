"""Expressions over channels: their values, their units, and the mistakes in them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeagent.drivers.virtual.expression import Expression, Input
from edgeagent.drivers.virtual.lexer import ExpressionError
from edgeagent_sdk.errors import EdgeError

CHANNELS = {
    "a/power/in": ("W", 100.0),
    "b/power/in": ("W", 300.0),
    "pdu/power/l1": ("W", 10.0),
    "pdu/power/l2": ("W", 20.0),
    "pdu/power/l3": ("W", 30.0),
    "pdu/apparent_power/l1": ("VA", 12.5),
    "pdu/voltage/l1": ("V", 230.0),
    "pdu/current/l1": ("A", 2.0),
    "pdu/energy/in": ("J", 7.2e6),
    "cdu/flow/in": ("L/min", 10.0),
    "cdu/temperature/in": ("Cel", 30.0),
    "cdu/temperature/out": ("Cel", 40.0),
    "host/utilization/cpu": ("1", 0.25),
    "air/humidity/in": ("%", 40.0),
}


def lookup(pattern: str) -> Sequence[Input]:
    found = (key for key in CHANNELS if fnmatchcase(key, pattern))
    return [
        Input(device, quantity, name, CHANNELS["/".join((device, quantity, name))][0])
        for device, quantity, name in (key.split("/") for key in found)
    ]


def evaluate(text: str, unit: str) -> float:
    expression = Expression(text, lookup)
    values = [CHANNELS["/".join(each[:3])][1] for each in expression.inputs]
    return expression.to(unit)(values, 0.0)


VALUES = [
    ("{a/power/in} + {b/power/in}", "W", 400.0),
    ("{a/power/in} - {b/power/in}", "W", -200.0),
    ("-{a/power/in} + 2 * {b/power/in}", "W", 500.0),
    ("{a/power/in} - {b/power/in} - 1 [W]", "W", -201.0),  # from left to right
    ("{a/power/in} / {b/power/in} / 2", "1", 1 / 6),
    ("{a/power/in} + 0.5 [kW]", "W", 600.0),
    ("sum({pdu/power/*})", "W", 60.0),
    ("sum({pdu/power/*}, {a/power/in}, 1 [W])", "W", 161.0),
    ("mean({pdu/power/l?})", "W", 20.0),
    ("max({pdu/power/*}) - min({pdu/power/*})", "W", 20.0),
    ("({a/power/in} + {b/power/in}) / sum({pdu/power/*})", "1", 400 / 60),
    ("{pdu/power/l1} / {pdu/apparent_power/l1}", "1", 0.8),
    ("sqrt({pdu/apparent_power/l1}**2 - {pdu/power/l1}**2)", "var", 7.5),
    ("{pdu/voltage/l1} * {pdu/current/l1}", "VA", 460.0),
    ("{pdu/voltage/l1} * {pdu/current/l1} * {host/utilization/cpu}", "W", 115.0),
    ("{pdu/energy/in}", "J", 7.2e6),
    ("{pdu/energy/in} / 1 [kW.h]", "1", 2.0),
    ("abs({a/power/in} - {b/power/in})", "W", 200.0),
    ("{air/humidity/in}", "1", 0.4),
    ("2 ** 3 - 2**-1", "1", 7.5),
    (
        "{cdu/flow/in} * 1 [kg/L] * 4186 [J/(kg.K)] * ({cdu/temperature/out} - {cdu/temperature/in})",
        "W",
        10 / 60 * 4186 * 10,
    ),
    # Temperatures are points: a difference, a mean, a weighted mean, a shift.
    ("{cdu/temperature/out} - {cdu/temperature/in}", "Cel", 10.0),
    ("mean({cdu/temperature/*})", "Cel", 35.0),
    ("({cdu/temperature/out} + {cdu/temperature/in}) / 2", "Cel", 35.0),
    ("0.25 * {cdu/temperature/out} + {cdu/temperature/in} * 0.75", "Cel", 32.5),
    ("{cdu/temperature/in} + 5 [K]", "Cel", 35.0),
    ("max({cdu/temperature/*})", "Cel", 40.0),
]


@pytest.mark.parametrize(("text", "unit", "value"), VALUES)
def test_value(text: str, unit: str, value: float) -> None:
    assert evaluate(text, unit) == pytest.approx(value)


@pytest.mark.parametrize("text", ["{a/power/in} / ({a/power/in} - {a/power/in})", "sqrt(-1)", "0**-1"])
def test_what_has_no_value_is_no_number(text: str) -> None:
    assert math.isnan(evaluate(text, "1"))


MISTAKES = [
    ("{c/power/in}", "W", "there is no channel {c/power/in}"),
    ("{pdu/power/*}", "W", "stands for 3 channels; put them into sum"),
    ("{a/power/in} + {cdu/flow/in}", "W", "cannot be added to"),
    ("{a/power/in} + 1", "W", "1 cannot be added to"),
    ("{a/power/in} * {b/power/in}", "W", "comes out in m4.kg2.s-6, not in W"),
    ("{a/power/in}", "J", "comes out in m2.kg.s-3, not in J"),
    ("{cdu/temperature/in} * {a/power/in}", "W", "multiply a difference"),
    ("{cdu/temperature/in} / {cdu/temperature/out}", "1", "multiply a difference"),
    ("{cdu/temperature/in} + {cdu/temperature/out}", "Cel", "adds up 2 temperatures"),
    ("sum({cdu/temperature/*})", "Cel", "adds up 2 temperatures"),
    ("abs({cdu/temperature/in})", "Cel", "takes no temperature"),
    ("{cdu/temperature/in} ** 2", "Cel", "no temperature"),
    ("sqrt({a/power/in})", "W", "has no unit"),
    ("integral({cdu/temperature/in})", "J", "takes no temperature"),
    ("sum({pdu/power/*}, {cdu/flow/in})", "W", "sum: m3.s-1 beside m2.kg.s-3"),
    ("summ({pdu/power/*})", "W", "did you mean 'sum'?"),
    ("abs(1, 2)", "1", "takes one value, not 2"),
    ("1 [furlong]", "1", "unknown 'furlong'"),
    ("", "1", "an empty expression"),
    ("1 +", "1", "it ends too early"),
    ("(1", "1", ") is missing"),
    ("sum(1", "1", ", or ) is missing"),
    ("1 1", "1", "'1' is out of place"),
    ("1 ** 0.5", "1", "takes an integer"),
    ("1 & 1", "1", "not understood from ' & 1' on"),
    ("(" * 31 + "1" + ")" * 31, "1", "nested more than 30 deep"),
    ("-" * 900 + "1", "1", "nested more than 30 deep"),
    ("-" * 5000 + "1", "1", "more than 1000 words"),
    (" + ".join(["1"] * 1500), "1", "more than 1000 words"),
    ("10 ** 17", "1", "an exponent is at most 16"),
    ("10 ** -" + "9" * 5000, "1", "an exponent is at most 16"),
    ("9" * 400, "1", "a number is too large"),
    ("1 [km999]", "m", "is out of range"),
    ("1 [" + "(" * 5000 + "]", "1", "more than 100 characters"),
]


@pytest.mark.parametrize(("text", "unit", "words"), MISTAKES)
def test_a_mistake_is_told_with_its_expression(text: str, unit: str, words: str) -> None:
    with pytest.raises(EdgeError) as caught:
        evaluate(text, unit)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "unit", "column"),
    [
        ("{a/power/in} + {c/power/in}", "W", 16),
        ("{a/power/in}  + {cdu/flow/in}", "W", 15),
        ("{a/power/in} * ({cdu/temperature/in})", "W", 14),
        ("1 [W] - summ(2 [W])", "W", 9),
        ("1 [W] - sum(2 [W], 3)", "W", 9),
        ("1 + 1 [furlong]", "1", 7),
        ("1 + (2", "1", 7),
        ("1 +", "1", 4),
        ("1 2", "1", 3),
        ("1 ** 0.5", "1", 6),
        ("1 & 1", "1", 2),
        ("{a/power/in}", "J", 1),
    ],
)
def test_a_mistake_is_told_with_its_column(text: str, unit: str, column: int) -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate(text, unit)
    assert caught.value.column == column


@given(st.text(alphabet="{a/power/in}()+-*/0123456789.[]WK,sum ", max_size=40))
def test_any_text_is_an_expression_or_refused_in_words(text: str) -> None:
    try:
        Expression(text, lookup)
    except EdgeError as error:
        assert str(error)


@pytest.mark.parametrize("sign", ["+", "-", "*", "/"])
def test_a_long_chain_is_no_deep_one(sign: str) -> None:
    assert math.isfinite(evaluate(sign.join(["1"] * 500), "1"))


def test_an_integral_outlives_what_is_no_number() -> None:
    integral = Expression("integral({a/power/in})", lookup).to("J")
    totals = [integral([power_w], float(i)) for i, power_w in enumerate([1.0, 1.0, math.inf, 1.0, 1.0])]
    assert totals == pytest.approx([0.0, 1.0, math.nan, 1.0, 2.0], nan_ok=True)


finite = st.floats(-1e9, 1e9)


@given(st.lists(finite, min_size=1, max_size=20))
def test_sum_and_mean_are_those_of_the_numbers(numbers: list[float]) -> None:
    inputs = [Input("d", "power", f"c{i}", "W") for i in range(len(numbers))]
    total = Expression("sum({d/power/*})", lambda _: inputs).to("W")(numbers, 0.0)
    mean = Expression("mean({d/power/*})", lambda _: inputs).to("W")(numbers, 0.0)
    assert total == pytest.approx(math.fsum(numbers))
    assert mean * len(numbers) == pytest.approx(total)


@given(st.lists(st.tuples(st.floats(0.01, 100.0), st.floats(-1e4, 1e4)), min_size=2, max_size=50))
def test_an_integral_never_falls_and_adds_nothing_over_a_gap(steps: list[tuple[float, float]]) -> None:
    """Steps are seconds since the last value, and the power then."""
    integral = Expression("integral({a/power/in})", lookup, gap_s=60.0).to("J")
    at_s, before, expected, last = 0.0, 0.0, 0.0, None
    for elapsed_s, power_w in steps:
        at_s += elapsed_s
        if last is not None and elapsed_s <= 60.0:
            expected += max(0.0, (last + power_w) / 2 * elapsed_s)
        total = integral([power_w], at_s)
        assert total >= before
        before, last = total, power_w
    assert before == pytest.approx(expected, rel=1e-6, abs=1e-6)
