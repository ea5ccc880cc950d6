"""Each shipped profile on a device of its kind, number by number; and devices that lie or change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeagent.config import load_config
from edgeagent.drivers.snmp import SnmpSensor, sensor
from edgeagent.drivers.snmp.profile import load, profiles
from edgeagent_sdk.channel import Fault, Value
from edgeagent_sdk.config import ConfigError
from edgeagent_sdk.driver import Host
from edgeagent_sdk.errors import DriverError
from tests.unit.drivers.snmp.recording import NAMES, Recording, arcs, expected

RARITAN, SENTRY = "1.3.6.1.4.1.13742.6.", "1.3.6.1.4.1.1718.4.1."
UPTIME = "1.3.6.1.2.1.1.3.0"

Make = Callable[..., tuple[SnmpSensor, Recording]]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Make:
    """A sensor on a recording."""

    def made(name: str, host: Host | None = None, **options: Any) -> tuple[SnmpSensor, Recording]:
        recording = Recording(name)
        monkeypatch.setattr(sensor, "new_session", lambda _: recording)
        return SnmpSensor(host or Host(), SnmpSensor.Options(host="10.0.0.5", **options)), recording

    return made


def readings(device: SnmpSensor) -> dict[str, Value]:
    channels = [f"{p.channel.quantity.name}/{p.channel.name}" for p in device._points]
    return dict(zip(channels, device.read(), strict=True))


def test_every_profile_has_a_recording() -> None:
    assert set(NAMES) == set(profiles())


@pytest.mark.parametrize("name", NAMES)
def test_every_number_of_a_device(make: Make, name: str) -> None:
    device, _ = make(name)
    device.open()
    got, wanted = readings(device), expected(name)
    assert sorted(got) == sorted(wanted)
    for key, text in wanted.items():
        value = got[key]
        if text.startswith("fault:"):
            assert isinstance(value, Fault) and text.removeprefix("fault:") in value.reason, key
        else:
            assert value == pytest.approx(float(text), rel=1e-12), key


@pytest.mark.parametrize("name", NAMES)
def test_what_is_read_is_what_is_used(make: Make, name: str) -> None:
    device, recording = make(name)
    device.open()
    recording.requests.clear()
    device.read()
    read = sum(count for _, count in recording.requests)
    used = len({n for p in device._points for n in (p.value, p.state) if n}) + len(device._about())
    assert read == used


def test_columns_of_many_rows_come_side_by_side_however_little_fits(make: Make) -> None:
    device, recording = make("sentry4", tables=["outlet"])
    _add_outlets(recording, 48)
    device.open()
    whole = readings(device)
    assert len(whole) == 48 * 5
    recording.room = 7  # one row and two columns of the next
    assert readings(device) == whole
    verbs = [verb for verb, _ in recording.requests]
    assert "get_bulk" in verbs


def _add_outlets(recording: Recording, count: int) -> None:
    """More outlets like the first of the recording's."""
    first = {name: value for name, value in recording.cells.items() if name[:10] == arcs(SENTRY + "8")}
    for name, value in first.items():
        if name[-1] == 1:
            for i in range(4, count + 1):
                own = f"AA{i}".encode() if name[10:13] == (2, 1, 2) else value
                recording.cells[(*name[:-1], i)] = own


@pytest.mark.parametrize("count", [3, 48])
@pytest.mark.parametrize("change", ["shorter", "longer"])
def test_a_table_that_changes_its_length_is_learned_anew(make: Make, count: int, change: str) -> None:
    device, recording = make("sentry4", tables=["outlet"])
    _add_outlets(recording, count)
    device.open()
    device.read()
    if change == "shorter":
        last = {n: v for n, v in recording.cells.items() if n[:10] == arcs(SENTRY + "8") and n[-1] == count}
        for name in last:
            del recording.cells[name]
    else:
        _add_outlets(recording, count + 1)
        recording.cells[arcs(SENTRY + "3.2.1.24.1.1")] = count + 1
    with pytest.raises(DriverError, match="come or gone") as caught:
        device.read()
    assert caught.value.retry_s is not None and caught.value.retry_s < 1
    device.close()
    device.open()
    assert len(readings(device)) == 5 * (count - 1 if change == "shorter" else count + 1)


def test_another_device_in_its_place_is_refused(make: Make) -> None:
    device, recording = make("raritan-pdu2")
    device.open()
    recording.cells[arcs(RARITAN + "3.2.1.1.4.1")] = b"1HE7A00099"
    for action in (device.read, device.open):
        with pytest.raises(DriverError, match="number 1HE7A00099, not 1HE7A00042"):
            action()
    other, _ = make("raritan-pdu2", serial_number="1HE7A00099")
    with pytest.raises(DriverError, match="number 1HE7A00042, not 1HE7A00099"):
        other.open()


def test_no_outlet_of_another_device_is_switched(make: Make) -> None:
    device, recording = make("raritan-pdu2")
    device.open()
    recording.cells[arcs(RARITAN + "3.2.1.1.4.1")] = b"1HE7A00099"
    before = dict(recording.cells)
    with pytest.raises(DriverError, match="another device"):
        device.actuators()[0].set(0.0)
    assert recording.cells == before


LIES: list[tuple[str, int | bytes, str, str]] = [
    (SENTRY + "8.3.1.3.1.1.1", -1, "current/outlet-aa1", "-1: not available"),
    (SENTRY + "8.3.1.1.1.1.1", 0, "state/outlet-aa1", "no state of it"),
    (SENTRY + "8.3.1.2.1.1.1", 9, "power/outlet-aa1", "read error"),
    (SENTRY + "8.3.1.7.1.1.1", b"n/a", "power/outlet-aa1", "no number"),
    (SENTRY + "8.3.1.14.1.1.1", 100, "energy/outlet-aa1", "fell from 444445200 to 360000 J"),
    (SENTRY + "9.3.1.1.1.1", -410, "temperature/sensor-a1", "not available"),
]


@pytest.mark.parametrize(("name", "lie", "channel", "reason"), LIES)
def test_a_lie_is_a_fault_and_its_neighbours_are_read(
    make: Make, name: str, lie: int | bytes, channel: str, reason: str
) -> None:
    device, recording = make("sentry4")
    device.open()
    before = readings(device)
    recording.cells[arcs(name)] = lie
    after = readings(device)
    fault = after[channel]
    assert isinstance(fault, Fault) and reason in fault.reason
    others = {k: v for k, v in after.items() if not k.endswith(channel.partition("/")[2])}
    assert others == {k: v for k, v in before.items() if k in others}


def test_a_scale_that_is_no_scale_is_a_fault(make: Make) -> None:
    device, recording = make("raritan-pdu2")
    recording.cells[arcs(RARITAN + "3.5.4.1.7.1.1.5")] = 4_000_000_000
    device.open()
    got = readings(device)
    assert isinstance(got["power/outlet-1"], Fault)
    assert got["power/outlet-2"] == 282


STRANGE = st.one_of(st.none(), st.integers(-(2**63), 2**64), st.binary(max_size=20))


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(NAMES), data=st.data())
def test_nothing_that_a_device_says_breaks_the_driver(make: Make, name: str, data: st.DataObject) -> None:
    device, recording = make(name)
    for moment in ("before it is opened", "while it is read"):
        for oid in data.draw(st.lists(st.sampled_from(sorted(recording.cells)), max_size=20), label=moment):
            recording.cells[oid] = data.draw(STRANGE)
        try:
            channels = device.open() if moment.startswith("before") else device._points
            values = device.read()
        except DriverError:
            return
        assert len(values) == len(channels)
        assert all(isinstance(value, float | Fault) for value in values)


def test_energy_goes_on_over_a_reset_and_a_restart_of_the_agent(make: Make, tmp_path: Any) -> None:
    energy, wh = arcs(SENTRY + "8.3.1.14.1.1.1"), 3600.0
    host = Host(state_dir=tmp_path)
    device, recording = make("sentry4", host)
    device.open()
    start = readings(device)["energy/outlet-aa1"]
    assert start == 123457 * wh
    recording.cells[energy] = 20  # reset at the device's keys
    assert isinstance(readings(device)["energy/outlet-aa1"], Fault)
    recording.cells[energy] = 50
    assert readings(device)["energy/outlet-aa1"] == (123457 + 50) * wh
    device.close()
    again, recording = make("sentry4", host)
    recording.cells[energy] = 60
    again.open()
    assert readings(again)["energy/outlet-aa1"] == (123457 + 60) * wh


def test_a_restart_is_told_and_a_wrap_of_its_clock_is_none(make: Make) -> None:
    device, recording = make("apc-rpdu2")
    device.open()
    for uptime, kinds in ((8640100, []), (500, ["device-restarted"]), (4294967000, []), (300, [])):
        recording.cells[arcs(UPTIME)] = uptime
        device.read()
        assert [o.kind for o in device.occurrences()] == kinds, uptime


SWITCHES = [
    ("raritan-pdu2", "outlet-1", RARITAN + "4.1.2.1.2.1.1", RARITAN + "4.1.2.1.3.1.1", {0: 8, 1: 7}),
    ("sentry4", "outlet-aa1", SENTRY + "8.5.1.2.1.1.1", SENTRY + "8.3.1.1.1.1.1", {2: 2, 1: 1}),
    ("apc-rpdu2", "outlet-1", *(f"1.3.6.1.4.1.318.1.1.26.9.2.{n}.1.5.1" for n in (4, 3)), {2: 1, 1: 2}),
]


@pytest.mark.parametrize(("name", "outlet", "control", "status", "obeys"), SWITCHES)
def test_an_outlet_is_switched(
    make: Make,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    outlet: str,
    control: str,
    status: str,
    obeys: dict[int, int],
) -> None:
    device, recording = make(name)

    def obey(oid: bytes, value: int) -> None:
        Recording.set(recording, oid, value)
        recording.cells[arcs(status)] = obeys[recording.cells[arcs(control)]]  # type: ignore[index]

    monkeypatch.setattr(recording, "set", obey)
    device.open()
    actuator = {a.info.name: a for a in device.actuators()}[outlet]
    assert (actuator.info.minimum, actuator.info.maximum, actuator.info.step) == (0.0, 1.0, 1.0)
    assert actuator.get() == 1.0
    for value in (0.0, 1.0):
        actuator.set(value)
        assert actuator.get() == value
        assert readings(device)[f"state/{outlet}"] == value


def test_outlets_of_a_model_that_cannot_switch_are_no_actuators(make: Make) -> None:
    device, recording = make("sentry4")
    recording.cells = {n: v for n, v in recording.cells.items() if n[:11] != arcs(SENTRY + "8.5")}
    device.open()
    assert not device.actuators()
    assert readings(device)["state/outlet-aa1"] == 1.0


def test_fahrenheit_is_seen_to_be_fahrenheit(make: Make) -> None:
    device, recording = make("sentry4", tables=["sensor"])
    recording.cells[arcs(SENTRY + "9.1.10.0")] = 1
    recording.cells[arcs(SENTRY + "9.3.1.1.1.1")] = 680
    device.open()
    assert readings(device)["temperature/sensor-a1"] == pytest.approx(20.0)


def test_an_agent_of_no_known_kind_is_named(make: Make) -> None:
    device, recording = make("apc-rpdu2")
    recording.cells = {n: v for n, v in recording.cells.items() if n < arcs("1.3.6.1.4")}
    with pytest.raises(DriverError, match=r"AP8659.* has the tables of no shipped profile"):
        device.open()


WRONG_OPTIONS = [
    ('profile = "raritan"', "device[0].profile: profile 'raritan' is not there; did you mean 'raritan-pdu2'"),
    ('profile = "/nowhere.toml"', "device[0].profile: profile /nowhere.toml: no such file or directory"),
    (
        'profile = "apc-rpdu2"\ntables = ["outlets"]',
        "device[0].tables: the profile has no table 'outlets'; did you mean 'outlet'",
    ),
]


@pytest.mark.parametrize(("options", "words"), WRONG_OPTIONS)
def test_a_wrong_option_is_found_without_the_device(tmp_path: Path, options: str, words: str) -> None:
    file = tmp_path / "agent.toml"
    file.write_text(f'site = "s"\n[[device]]\nname = "pdu"\ndriver = "snmp"\nhost = "10.0.0.5"\n{options}\n')
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    line = 5 + len(options.splitlines())
    assert str(caught.value).startswith(f"{file}:{line}: {words}")


def test_of_a_device_that_is_asked_what_it_is_a_wrong_table_is_named(make: Make) -> None:
    device, _ = make("apc-rpdu2", tables=["outlets"])
    with pytest.raises(DriverError, match="did you mean 'outlet'"):
        device.open()


WRONG_PROFILES = [
    ('title = "x"', "missing required field `source`"),
    ("[[", "profile"),
    (
        'title = "x"\nsource = "x"\nprobe = ["1.3"]\n[[table]]\nname = "t"\n[[table.column]]\noid = "1.3"\n'
        'quantity = "powr"',
        "did you mean 'power'",
    ),
    (
        'title = "x"\nsource = "x"\nprobe = ["1.3"]\n[[table]]\nname = "t"\n[[table.column]]\noid = "1.x"\n'
        'quantity = "power"',
        "Expected `str` matching",
    ),
]


@pytest.mark.parametrize(("text", "words"), WRONG_PROFILES)
def test_a_wrong_profile_is_named_with_its_place(tmp_path: Any, text: str, words: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(DriverError, match=r"mine\.toml") as caught:
        load(str(file))
    assert words in str(caught.value)
