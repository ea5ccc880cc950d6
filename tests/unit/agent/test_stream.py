"""What becomes of a device's values on their way to the wire."""

from __future__ import annotations

import math

import pytest

from edgeagent.stream import Rules, Stream
from edgeagent_sdk.channel import Channel, Fault, Value
from edgeagent_sdk.errors import DriverError
from edgeagent_sdk.lineproto import decode_line
from edgeagent_sdk.names import Identity

PLAIN = Rules({}, 60.0, {})
T = 1_790_000_000 * 10**9
S = 10**9


def stream(*channels: Channel, rules: Rules = PLAIN) -> Stream:
    return Stream("psu0", Identity("s1", "n1"), channels, rules)


def sent(lines: str) -> dict[str, float]:
    readings = [decode_line(line.encode()) for line in lines.splitlines()]
    return {f"{r.quantity}/{r.channel}": r.value for r in readings}


def test_the_line_of_the_design() -> None:
    lines, count, changes = stream(Channel("in", "power")).take([412.5], 1780000000000000000)
    assert lines == "power,channel=in,device=psu0,node=n1,site=s1 value=412.5 1780000000000000000\n"
    assert (count, changes) == (1, [])


@pytest.mark.parametrize(
    ("quantity", "value", "reason"),
    [
        pytest.param("power", Fault("EIO"), "EIO", id="the driver's own fault"),
        pytest.param("power", math.nan, "nan is outside -1e+09 to 1e+09", id="not a number"),
        pytest.param("energy", math.inf, "inf is outside 0 to 1.79769e+308", id="infinite"),
        pytest.param("energy", -1.0, "-1 is outside 0 to 1.79769e+308", id="a negative counter"),
        pytest.param("temperature", -273.2, "-273.2 is outside -100 to 300", id="absurdly cold"),
        pytest.param("temperature", 65535.0, "65535 is outside -100 to 300", id="absurdly hot"),
        pytest.param("utilization", 1.01, "1.01 is outside 0 to 1", id="more than all"),
    ],
)
def test_a_fault_is_never_a_number_and_costs_no_neighbour(quantity: str, value: Value, reason: str) -> None:
    s = stream(Channel("bad", quantity), Channel("good", "voltage"))
    lines, count, changes = s.take([value, 12.0], T)
    assert sent(lines) == {"voltage/good": 12.0}
    assert count == 1
    assert [(c.channel.name, c.reason) for c in changes] == [("bad", reason)]
    assert s.faults == 1
    assert s.values == [Fault(reason), 12.0]


def test_a_fault_is_told_once_and_so_is_its_end() -> None:
    s = stream(Channel("c", "power"))
    passes: list[Value] = [Fault("EIO"), Fault("EIO"), Fault("gone"), 1.0, 1.0]
    told = [[c.reason for c in s.take([value], T + i)[2]] for i, value in enumerate(passes)]
    assert told == [["EIO"], [], [], [""], []]


def test_whole_numbers_are_taken_as_floats() -> None:
    assert sent(stream(Channel("c", "power")).take([7], T)[0]) == {"power/c": 7.0}


def test_a_driver_that_gives_too_few_values_is_told() -> None:
    with pytest.raises(DriverError, match="gave 1 values for 2 channels"):
        stream(Channel("a", "power"), Channel("b", "power")).take([1.0], T)


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        pytest.param([10.0, 10.2, 10.4], [10.0], id="within the band of the last one sent"),
        pytest.param([10.0, 10.2, 10.5, 10.6], [10.0, 10.5], id="the band moves with what is sent"),
        pytest.param([10.0, 9.5], [10.0, 9.5], id="downwards too"),
        pytest.param([10.0, Fault("EIO"), 10.0], [10.0], id="a fault neither sends nor moves the band"),
    ],
)
def test_deadband(values: list[Value], kept: list[float]) -> None:
    s = stream(Channel("in", "power"), rules=Rules({"power": 0.5}, 60.0, {}))
    lines = [s.take([value], T + i * S)[0] for i, value in enumerate(values)]
    assert [sent(line)["power/in"] for line in lines if line] == kept


def test_heartbeat_sends_an_unchanged_value_now_and_then() -> None:
    s = stream(Channel("in", "power"), rules=Rules({"power": 0.5}, 3.0, {}))
    assert [bool(s.take([1.0], T + i * S)[0]) for i in range(8)] == [1, 0, 0, 1, 0, 0, 1, 0]


def test_a_clock_put_back_does_not_silence_a_channel() -> None:
    s = stream(Channel("in", "power"), rules=Rules({"power": 0.5}, 60.0, {}))
    assert [bool(s.take([1.0], t)[0]) for t in (T, T - 1000 * S, T - 999 * S)] == [True, True, False]


def test_selectors_name_a_quantity_or_one_channel() -> None:
    rules = Rules({"power": 5.0, "power/b": 0.1}, 60.0, {"voltage/a": [(0.0, 1.0), (1.0, 2.0)]})
    s = stream(
        Channel("a", "power"),
        Channel("b", "power"),
        Channel("a", "voltage"),
        Channel("b", "voltage"),
        rules=rules,
    )
    assert sent(s.take([1.0, 1.0, 1.0, 1.0], T)[0]) == {
        "power/a": 1.0,
        "power/b": 1.0,
        "voltage/a": 2.0,
        "voltage/b": 1.0,
    }
    assert sent(s.take([2.0, 2.0, 1.0, 1.0], T + S)[0]) == {
        "power/b": 2.0,
        "voltage/a": 2.0,
        "voltage/b": 1.0,
    }


def test_calibration_comes_before_the_bounds() -> None:
    rules = Rules({}, 60.0, {"temperature": [(0.0, -50.0), (1000.0, 50.0)]})
    s = stream(Channel("t", "temperature"), rules=rules)
    assert sent(s.take([1000.0], T)[0]) == {"temperature/t": 50.0}
