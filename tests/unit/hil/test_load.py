"""The load generator's payloads and figures."""

from __future__ import annotations

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeagent_hil.load.payloads import Payloads
from edgeagent_hil.load.plan import Plan, Tally
from edgeagent_hil.load.report import quantile, report
from edgeagent_sdk.batch import PAYLOAD_MAX_BYTES, decode_batch
from edgeagent_sdk.errors import EdgeError
from edgeagent_sdk.mqtt import Broker
from edgeagent_sdk.names import Identity
from edgeagent_sdk.quantities import QUANTITIES

_ME = Identity("lab", "load-7")
_NOW_NS = 1_790_000_000_123_456_789


@pytest.mark.parametrize("channels", [1, 10, 64, 65, 1000])
def test_a_batch_is_true_wire_format(channels: int) -> None:
    payloads = Payloads(_ME, channels, "b0", "i0")
    seq, payload = payloads.next(_NOW_NS)
    header, readings = decode_batch(payload)
    assert header == (_ME, "b0", seq, channels, "synced", 1_790_000_000_123_000_000, "i0", 0, 0)
    assert len(readings) == channels
    assert [(r.quantity, r.device, r.channel) for r in readings] == payloads.series
    assert len(set(payloads.series)) == channels
    for r in readings:
        assert (r.site, r.node, r.time_ns) == (*_ME, header.time_ns)
        assert QUANTITIES[r.quantity].minimum <= r.value <= QUANTITIES[r.quantity].maximum


@given(st.lists(st.integers(1_700_000_000 * 10**9, 1_900_000_000 * 10**9), min_size=2, max_size=20))
def test_seq_has_no_holes_and_no_stamp_repeats(times_ns: list[int]) -> None:
    payloads = Payloads(_ME, 2, "b0", "i0")
    headers = [decode_batch(payloads.next(time_ns)[1])[0] for time_ns in times_ns]
    assert [h.seq for h in headers] == list(range(1, len(times_ns) + 1))
    stamps = [h.time_ns for h in headers]
    assert stamps == sorted(set(stamps))
    assert all(stamp % 1_000_000 == 0 for stamp in stamps)


def test_values_change_from_batch_to_batch() -> None:
    payloads = Payloads(_ME, 1, "b0", "i0")
    values = {decode_batch(payloads.next(_NOW_NS)[1])[1][0].value for _ in range(500)}
    assert len(values) == 500


def test_a_batch_over_the_wires_limit_is_refused() -> None:
    most = max(n for n in range(8000, 12000, 100) if _fits(n))
    assert len(Payloads(_ME, most, "b", "i").next(_NOW_NS)[1]) <= PAYLOAD_MAX_BYTES
    with pytest.raises(EdgeError, match="use fewer channels"):
        Payloads(_ME, 20_000, "b", "i")


def _fits(channels: int) -> bool:
    try:
        Payloads(_ME, channels, "b", "i")
    except EdgeError:
        return False
    return True


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([], 0.5, 0.0),
        ([3.0], 0.99, 3.0),
        ([2.0, 1.0], 0.5, 1.0),
        ([float(i) for i in range(1, 101)], 0.99, 99.0),
        ([float(i) for i in range(1, 101)], 1.0, 100.0),
        ([1.0, 2.0], 0.0, 1.0),
    ],
)
def test_quantile(values: list[float], share: float, expected: float) -> None:
    assert quantile(values, share) == expected


def test_growing_lag_shows() -> None:
    plan = Plan(Broker(), nodes=1, channels=10, duration_s=30.0)
    tally = Tally(batches=32, unacknowledged=2, backlog=5, cpu_s=3.0)
    tally.sent_s = array("d", range(30))
    tally.latency_s = array("d", (0.1 + 0.02 * i for i in range(30)))
    figures = report(plan, tally)
    assert figures.first_third_p50_s == pytest.approx(0.18)
    assert figures.last_third_p50_s == pytest.approx(0.58)
    assert figures.lag_growth_s == pytest.approx(0.4)
    assert figures.readings_per_s == pytest.approx(300 / 29.68)
    assert (figures.unacknowledged, figures.backlog) == (2, 5)


def test_tallies_of_processes_add_up() -> None:
    one = Tally(sent_s=array("d", [1.0]), latency_s=array("d", [0.1]), batches=1, in_flight_max=3, cpu_s=0.5)
    two = Tally(sent_s=array("d", [2.0]), latency_s=array("d", [0.2]), batches=4, in_flight_max=2, refused=1)
    one.add(two)
    assert list(one.sent_s) == [1.0, 2.0] and list(one.latency_s) == [0.1, 0.2]
    assert (one.batches, one.refused, one.in_flight_max, one.cpu_s) == (5, 1, 3, 0.5)
