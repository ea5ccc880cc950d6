"""Resources as BMCs give them, and what is read from them."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeagent.drivers.redfish.readings import TABLES, TYPES, UNITS, items
from edgeagent_sdk.channel import Channel, Fault
from edgeagent_sdk.quantities import QUANTITIES

CASES = tomllib.loads((Path(__file__).parent / "cases.toml").read_text("utf-8"))["case"]

BAY = "/redfish/v1/Chassis/1/PowerSubsystem/PowerSupplies/Bay3/Metrics"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_case(case: dict[str, Any]) -> None:
    uri = BAY if case["kind"] == "PowerSupplyMetrics" else "/redfish/v1/x"
    readings = items(case["kind"], uri, json.loads(case["body"]))
    found = {f"{item.quantity}/{item.name}": item.value for item in readings}
    good = {key: value for key, value in found.items() if not isinstance(value, Fault)}
    bad = {key: value.reason for key, value in found.items() if isinstance(value, Fault)}
    assert good == pytest.approx(case.get("readings", {}))
    assert bad == case.get("faults", {})


def test_every_rule_leads_to_a_quantity() -> None:
    rules = [rule for tables in TABLES.values() for table in tables for rule in table.rules]
    assert {rule.quantity for rule in rules} - {""} <= QUANTITIES.keys()
    assert {quantity for quantity, _ in UNITS.values()} <= QUANTITIES.keys()
    assert all(UNITS[unit][0] == quantity for quantity, unit in TYPES.values())


_NAMES = sorted(
    {part for tables in TABLES.values() for t in tables for r in t.rules for part in r.path.split("/")}
    | {t.array for tables in TABLES.values() for t in tables if t.array}
    | {"Members", "Status", "State", "Name", "MemberId", "@odata.id", "DataSourceUri"}
    | {"ReadingType", "ReadingUnits", "ReadingRangeMin", "ReadingRangeMax"}
)
_LEAVES = st.none() | st.booleans() | st.floats(-1e6, 1e6) | st.sampled_from([*TYPES, *UNITS, "", "Absent"])
_JSON = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_NAMES), inner, max_size=5),
    max_leaves=30,
)


@given(st.sampled_from(sorted(TABLES)), st.dictionaries(st.sampled_from(_NAMES), _JSON, max_size=6))
def test_no_shape_of_json_makes_more_than_numbers_and_faults(kind: str, body: dict[str, Any]) -> None:
    for item in items(kind, "/redfish/v1/x", body):
        Channel(item.name, item.quantity, minimum=item.minimum, maximum=item.maximum)
        assert isinstance(item.value, float | Fault)
