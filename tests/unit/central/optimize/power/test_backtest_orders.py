"""An order in virtual time."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeagent_central.optimize.power.backtest.orders import Ordered, ordered

_DATA = Path(__file__).parents[6] / "shared" / "data"


@pytest.mark.skipif(not (_DATA / "llm_requests").exists(), reason=f"{_DATA} is not there")
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_an_order_is_reached_at_once_and_kept() -> None:
    case = Ordered(_DATA, servers=48, by=0.2, for_s=30, budget=0.8, silent=0.05, seed=1, around_s=70)
    before, order, after = ordered(case)
    assert order["limit_kw"] == pytest.approx(0.8 * before["mean_kw"], rel=0.05)
    assert order["reached_s"] <= 2
    assert not any(row["seconds_above"] or row["violations_below"] for row in (before, order, after))
    assert order["highest_kw"] < before["mean_kw"] < after["highest_kw"] * 1.2
    assert order["top_priority_%"] > order["satisfied_%"]
