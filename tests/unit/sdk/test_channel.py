"""Quantities and the channels that carry them."""

from __future__ import annotations

import math
import re

import pytest

from edgeagent_sdk.channel import Channel
from edgeagent_sdk.errors import NameInvalid, WireError
from edgeagent_sdk.quantities import QUANTITIES, Kind, quantity


def test_the_table_holds_what_the_design_names() -> None:
    units = {
        "power": "W",
        "energy": "J",
        "voltage": "V",
        "current": "A",
        "temperature": "Cel",
        "frequency": "Hz",
        "flow": "L/min",
        "speed": "{rpm}",
        "utilization": "1",
        "pressure": "kPa",
        "humidity": "%",
        "latency": "s",
    }
    assert {name: QUANTITIES[name].unit for name in units} == units
    assert QUANTITIES["energy"].kind is Kind.COUNTER
    assert QUANTITIES["power"].kind is Kind.GAUGE


@pytest.mark.parametrize("row", QUANTITIES.values(), ids=lambda row: row.name)
def test_every_row_is_sound(row: object) -> None:
    found = quantity(row.name)  # type: ignore[attr-defined]
    assert found is row
    assert re.fullmatch(r"[a-z][a-z0-9_]*", found.name), "a measurement that needs no escaping"
    assert found.minimum < found.maximum
    assert found.unit and found.meaning
    assert found.kind is Kind.GAUGE or (found.minimum, found.maximum) == (0, math.inf), "a counter only grows"


def test_an_unknown_quantity_is_refused() -> None:
    with pytest.raises(WireError, match="unknown quantity 'powr'; known: power, energy"):
        quantity("powr")


def test_a_channel_takes_the_bounds_of_its_quantity_or_its_own() -> None:
    plain = Channel("in", "voltage")
    assert (plain.minimum, plain.maximum) == (-1e6, 1e6)
    assert plain.key == ("voltage", "in")
    narrow = Channel("in", "voltage", minimum=0.0, maximum=240.0)
    assert (narrow.minimum, narrow.maximum) == (0.0, 240.0)


def test_a_channel_needs_a_legal_name() -> None:
    with pytest.raises(NameInvalid, match="channel 'In 1'"):
        Channel("In 1", "voltage")
