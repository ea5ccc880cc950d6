"""The variables of a UPS, and what is read from them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeagent.drivers.nut.client import words
from edgeagent.drivers.nut.variables import OTHER, channel, code, status_channel, value
from edgeagent_sdk.channel import Fault


@pytest.mark.parametrize(
    ("variable", "key"),
    [
        ("ups.load", "utilization/ups"),
        ("ups.realpower", "power/ups"),
        ("ups.power", "apparent_power/ups"),
        ("battery.charge", "soc/battery"),
        ("battery.runtime", "runtime/battery"),
        ("input.voltage", "voltage/input"),
        ("input.L1-N.voltage", "voltage/input-l1-n"),
        ("input.L1-L2.voltage", "voltage/input-l1-l2"),
        ("input.L3.realpower", "power/input-l3"),
        ("input.N.current", "current/input-n"),
        ("input.bypass.L2-N.voltage", "voltage/input-bypass-l2-n"),
        ("output.powerfactor", "power_factor/output"),
        ("outlet.12.current", "current/outlet-12"),
        ("ambient.humidity", "humidity/ambient"),
        ("ambient.2.temperature", "temperature/ambient-2"),
    ],
)
def test_what_is_measured(variable: str, key: str) -> None:
    made = channel(variable)
    assert made is not None and f"{made.quantity.name}/{made.name}" == key


@pytest.mark.parametrize(
    "variable",
    [
        "input.voltage.nominal",
        "input.voltage.minimum",
        "battery.charge.low",
        "ups.realpower.nominal",
        "ups.load.high",
        "ups.delay.shutdown",
        "driver.parameter.port",
        "outlet.1.status",
        "battery.voltage.packs",
        "",
    ],
)
def test_limits_settings_and_names_are_no_channels(variable: str) -> None:
    assert channel(variable) is None


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("37", 0.37),
        (" 37.0 ", 0.37),
        ("", Fault("'' is not a number")),
        ("nan", Fault("'nan' is not a number")),
        ("-inf", Fault("'-inf' is not a number")),
        ("37 %", Fault("'37 %' is not a number")),
    ],
)
def test_numbers(raw: str, expected: float | Fault) -> None:
    assert value("ups.load", {"ups.load": raw}) == expected
    assert value("ups.load", {}) == Fault("upsd no longer tells it")


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("OL", 1.0),
        ("OB LB", 6.0),
        ("OL OL", 1.0),
        ("OL XYZ ABC", 1.0 + OTHER),
        ("", Fault("the UPS tells no status")),
    ],
)
def test_the_status_is_a_sum(told: str, expected: float | Fault) -> None:
    assert code(told.split()) == expected
    assert f"{OTHER} another" in status_channel().description


@given(
    st.lists(
        st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=20), max_size=5
    )
)
def test_quoted_words_come_back_as_they_were(texts: list[str]) -> None:
    quoted = ['"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' for text in texts]
    assert words(" ".join(quoted))[: len(texts)] == texts


@given(st.text(max_size=60))
def test_no_line_makes_it_fail(line: str) -> None:
    assert len(words(line)) >= 3
