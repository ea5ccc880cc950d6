"""BMCs over HTTP: what is read, who logs in, what a slow or broken one costs, and the power limit."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edgeagent.drivers.redfish import RedfishSensor
from edgeagent_sdk.channel import Fault, Value
from edgeagent_sdk.driver import Host
from edgeagent_sdk.errors import DriverError
from edgeagent_sdk.fleet import Fleet
from edgeagent_sdk.messages import Outcome
from tests.authority import Authority
from tests.bmc import PASSWORD, USER, Bmc, Habits, serve, tree
from tests.services import mosquitto, spawn, wait_until

CHASSIS = "/redfish/v1/Chassis/1U"
METRICS = f"{CHASSIS}/EnvironmentMetrics"
POWER = "/redfish/v1/Chassis/Self/Power"


def sensor(bmc: Bmc, host: Host | None = None, **options: Any) -> RedfishSensor:
    keys = {"url": bmc.url, "username": USER, "password": PASSWORD} | options
    return RedfishSensor(host or Host(), RedfishSensor.Options(**keys))


@contextmanager
def opened(bmc: Bmc, host: Host | None = None, **options: Any) -> Iterator[RedfishSensor]:
    made = sensor(bmc, host, **options)
    try:
        made.open()
        yield made
    finally:
        made.close()


def named(made: RedfishSensor) -> dict[str, Value]:
    return {
        f"{c.quantity.name}/{c.name}": value for c, value in zip(made._channels, made.read(), strict=True)
    }


def good(made: RedfishSensor) -> dict[str, float]:
    return {key: value for key, value in named(made).items() if not isinstance(value, Fault)}


def reasons(made: RedfishSensor) -> dict[str, str]:
    return {key: value.reason for key, value in named(made).items() if isinstance(value, Fault)}


READINGS = {
    "new": {
        "power/chassis": 374.0,
        "energy/chassis": 325675 * 3.6e6,
        "temperature/chassis": 22.5,
        "power/chassis-limit": 500.0,
        "power/psu-bay1-in": 190.5,
        "power/psu-bay1-out": 175.0,
        "voltage/psu-bay1-in": 119.7,
        "current/psu-bay1-in": 1.587,
        "temperature/psu-bay1": 43.0,
        "power/psu-bay2-in": 186.0,
        "power/psu-bay2-out": 171.5,
        "voltage/psu-bay2-in": 120.1,
        "current/psu-bay2-in": 1.55,
        "temperature/psu-bay2": 43.0,
        "temperature/cpu-1": 41.0,
        "temperature/dimm-bank-a": 30.5,
        "temperature/summary-intake": 24.8,
        "temperature/summary-exhaust": 40.5,
        "speed/fan-bay-1": 2200.0,
        "duty/fan-bay-1": 0.45,
        "flow/coolant-flow": 12.5,
        "pressure/coolant-pressure": 150.0,
        "current/board-current": 1.25,
    },
    "old": {
        "power/system-power-control": 8000.0,
        "power/system-power-control-limit": 9000.0,
        "power/power-supply-bay-in": 4100.0,
        "power/power-supply-bay-out": 3900.0,
        "voltage/power-supply-bay-in": 230.0,
        "voltage/vrm1-voltage": 12.1,
        "temperature/cpu1-temp": 41.0,
        "speed/baseboard-system-fan-1": 2100.0,
        "duty/baseboard-system-fan-2": 0.45,
    },
}
FAULTS = {
    "new": {"temperature/cpu-2-temperature": "the BMC calls the part UnavailableOffline"},
    "old": {
        "voltage/vrm2-voltage": "the BMC has no reading (state Enabled)",
        "temperature/cpu2-temp": "the BMC calls the part Disabled",
    },
}


@pytest.mark.parametrize("name", ["new", "old"])
@pytest.mark.parametrize(
    ("says", "expands"),
    [
        pytest.param(True, True, id="expanded"),
        pytest.param(True, False, id="promised only"),
        pytest.param(False, False, id="one by one"),
    ],
)
def test_everything_is_read_once_and_on_one_connection(name: str, says: bool, expands: bool) -> None:
    resources = tree(name)
    if not says:
        resources["/redfish/v1/"].pop("ProtocolFeaturesSupported", None)
    with serve(resources, Habits(expands=expands)) as bmc, opened(bmc) as made:
        assert good(made) == pytest.approx(READINGS[name])
        assert reasons(made) == FAULTS[name]
        bmc.requests.clear()
        made.read()
        assert len(bmc.requests) == len(set(bmc.requests))
        assert bmc.connections == 1


def test_a_chassis_may_be_chosen_and_several_give_their_names() -> None:
    resources = tree("old")
    riser = resources["/redfish/v1/Chassis/Riser"]
    resources["/redfish/v1/Riser/Thermal"] = {"Temperatures": [{"Name": "Card", "ReadingCelsius": 50}]}
    riser["Thermal"] = {"@odata.id": "/redfish/v1/Riser/Thermal"}
    with serve(resources) as bmc:
        with opened(bmc) as both:
            assert {"temperature/riser-card", "power/self-system-power-control"} <= good(both).keys()
        with opened(bmc, chassis="Riser") as one:
            assert good(one) == {"temperature/card": 50.0}
        with pytest.raises(DriverError, match="set chassis to one of: Self, Riser"):
            sensor(bmc, chassis="Sled").open()


def test_an_expired_session_is_taken_up_anew_once_and_ended_in_the_end() -> None:
    with serve(tree("new")) as bmc:
        with opened(bmc) as made:
            bmc.expire()
            assert good(made) == pytest.approx(READINGS["new"])
            assert (bmc.logins, len(bmc.tokens)) == (2, 1)
        assert bmc.tokens == []
        made.close()  # twice does no harm


@pytest.mark.parametrize(
    ("habits", "options"),
    [
        pytest.param(Habits(sessions=False), {}, id="it has no sessions"),
        pytest.param(Habits(sessions_max=0), {}, id="it has none left"),
        pytest.param(Habits(), {"auth": "basic"}, id="by choice"),
    ],
)
def test_basic_authentication_is_the_fallback(habits: Habits, options: dict[str, Any]) -> None:
    with serve(tree("old"), habits) as bmc, opened(bmc, **options) as made:
        assert good(made) == pytest.approx(READINGS["old"])
        assert bmc.tokens == []


@pytest.mark.parametrize("auth", ["session", "basic"])
def test_a_wrong_password_is_told_and_not_tried_again_soon(auth: str) -> None:
    refused = pytest.raises(DriverError, match="check username and password")
    with serve(tree("new")) as bmc, refused as caught, opened(bmc, password="not-this", auth=auth):
        pass
    assert caught.value.retry_s is not None and caught.value.retry_s >= 60
    assert "not-this" not in str(caught.value)


def test_the_password_comes_from_a_file_or_the_environment_and_shows_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_text(f"{PASSWORD}\n")
    monkeypatch.setenv("BMC_PASSWORD", PASSWORD)
    with serve(tree("old")) as bmc:
        for key, value in (("password_file", str(tmp_path / "secret")), ("password_env", "BMC_PASSWORD")):
            options: dict[str, Any] = {"password": "", key: value}
            with opened(bmc, **options):
                pass
        with pytest.raises(DriverError, match=r"password_file .*no such file"):
            sensor(bmc, password_file=str(tmp_path / "none")).open()
        with pytest.raises(DriverError, match="has no NOT_SET"):
            sensor(bmc, password_env="NOT_SET").open()
        assert PASSWORD not in repr(sensor(bmc).options)


def test_a_bmc_that_thinks_keeps_nobody_waiting_and_is_asked_once() -> None:
    with serve(tree("new")) as bmc, opened(bmc) as made:
        made.read()
        bmc.habits.hangs = "Sensors"
        bmc.resources[METRICS]["PowerWatts"]["Reading"] = 400.0
        bmc.requests.clear()
        ages = []
        for _ in range(2):
            assert good(made)["power/chassis"] == 374.0  # of the last whole look
            ages.append(made.age_s)
        assert 0 < ages[0] < ages[1]
        assert len(bmc.requests) == len(set(bmc.requests)) == 6
        assert made.actuators()[0].get() == 500.0  # while the look still hangs
        bmc.habits.hangs = ""
        bmc.habits.release.set()
        wait_until(lambda: good(made)["power/chassis"] == 400.0 and made.age_s < ages[0], "a new look")


def test_what_a_bmc_gave_too_long_ago_is_a_fault() -> None:
    with serve(tree("new")) as bmc, opened(bmc, max_age_s=1.0) as made:
        bmc.habits.hangs = "Sensors"
        wait_until(lambda: not good(made), "too old")
        assert "the BMC last gave it" in reasons(made)["power/chassis"]


def test_a_bmc_that_hangs_is_closed_at_once() -> None:
    with serve(tree("new")) as bmc:
        made = sensor(bmc)
        made.open()
        bmc.habits.hangs = "Sensors"
        made.read()
        begun_s = time.monotonic()
        made.close()
        assert time.monotonic() - begun_s < 10  # not its 60 s
        assert bmc.tokens == []


def test_a_bmc_that_never_answers_is_told_after_its_time() -> None:
    late = pytest.raises(DriverError, match=r"no answer within 0\.3 s; raise timeout_s")
    with serve(tree("new"), Habits(hangs="/redfish")) as bmc, late:
        sensor(bmc, timeout_s=0.3).open()


Spoil = Callable[[Bmc], None]


def _forget_fans(bmc: Bmc) -> None:
    bmc.resources["/redfish/v1/Chassis/1U/ThermalSubsystem/Fans"]["Members"] = []


def _remove(bmc: Bmc) -> None:
    del bmc.resources[METRICS]


def _send(raw: bytes) -> Spoil:
    return lambda bmc: bmc.habits.raw.update({METRICS: raw})


@pytest.mark.parametrize(
    ("spoil", "channel", "reason"),
    [
        pytest.param(_send(b'{"PowerWatts": {"Rea'), "power/chassis", "its JSON is malformed", id="cut off"),
        pytest.param(_send(b"[1, 2]"), "power/chassis", "its JSON is malformed", id="no object"),
        pytest.param(_send(b""), "power/chassis", "its JSON is malformed", id="empty"),
        pytest.param(_send(b'{"PowerWatts": NaN}'), "power/chassis", "its JSON is malformed", id="NaN"),
        pytest.param(_send(b"[" * 100_000), "power/chassis", "its JSON is malformed", id="endless nesting"),
        pytest.param(_send(b"{}"), "power/chassis", "the BMC no longer shows it", id="properties gone"),
        pytest.param(_remove, "power/chassis", "HTTP status 404: The resource was not", id="resource gone"),
        pytest.param(_forget_fans, "speed/fan-bay-1", "the BMC no longer shows it", id="a shorter walk"),
    ],
)
def test_a_broken_resource_costs_its_own_channels(spoil: Spoil, channel: str, reason: str) -> None:
    with serve(tree("new")) as bmc, opened(bmc) as made:
        spoil(bmc)
        assert reason in reasons(made)[channel]
        assert good(made)["power/psu-bay1-in"] == 190.5


_NOWHERE = {"@odata.id": "/redfish/v1/Nowhere"}


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("EnvironmentMetrics", _NOWHERE),
        ("PowerSubsystem", _NOWHERE),
        ("ThermalSubsystem", {"@odata.id": 7}),
        ("Sensors", {}),
        ("Controls", None),
    ],
)
def test_a_link_that_leads_nowhere_costs_what_is_behind_it(name: str, target: Any) -> None:
    resources = tree("new")
    resources[CHASSIS][name] = target
    with serve(resources) as bmc, opened(bmc) as made:
        assert len(good(made)) >= 8
        assert not {reason for reason in reasons(made).values() if "Unavailable" not in reason}


def test_a_bmc_that_shows_no_chassis_is_told() -> None:
    resources = tree("new")
    del resources["/redfish/v1/"]["Chassis"]
    with serve(resources) as bmc, pytest.raises(DriverError, match="no chassis there shows what it measures"):
        sensor(bmc).open()


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        pytest.param(b"x" * (9 << 20), "more than 8 MiB", id="too much"),
        pytest.param(b'"' + b"a" * (9 << 20) + b'"', "more than 8 MiB", id="too much, packed small"),
    ],
)
def test_an_answer_without_end_is_no_answer(raw: bytes, reason: str) -> None:
    with serve(tree("new")) as bmc, opened(bmc) as made:
        bmc.habits.raw[METRICS] = raw
        with pytest.raises(DriverError, match=reason):
            made.read()


def test_a_part_that_is_put_in_is_taken_up() -> None:
    with serve(tree("new")) as bmc, opened(bmc) as made:
        fan = bmc.resources[f"{CHASSIS}/ThermalSubsystem/Fans/Bay2"]
        fan |= {"Status": {"State": "Enabled"}, "SpeedPercent": {"Reading": 50.0, "SpeedRPM": 2500}}
        with pytest.raises(DriverError, match="did not show before: fan-bay-2"):
            made.read()
        made.close()
        made.open()
        assert good(made)["speed/fan-bay-2"] == 2500.0
        fan["Status"] = {"State": "Absent"}
        assert reasons(made)["speed/fan-bay-2"] == "the BMC calls the part Absent"


@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("OTHER", "another machine has been put in its place: serial number of 1U OTHER, not 437XR1138R2"),
        ("", "does not tell its serial number now, and may be another machine than 437XR1138R2"),
    ],
)
def test_another_machine_in_its_place_gives_no_reading(number: str, words: str) -> None:
    with serve(tree("new")) as bmc:
        with opened(bmc) as made:
            assert made.identity == "437XR1138R2"
            bmc.resources[CHASSIS]["SerialNumber"] = number
            bmc.resources[CHASSIS].pop("UUID", None)
            bmc.expire()
            for read in (made.read, made.open):
                with pytest.raises(DriverError, match=words):
                    read()
        with pytest.raises(DriverError, match="another machine"):
            sensor(bmc, serial_number="437XR1138R2").open()


def test_energy_goes_on_when_its_counter_begins_again(tmp_path: Path) -> None:
    with serve(tree("new")) as bmc:
        energy = bmc.resources[METRICS]["EnergykWh"]
        with opened(bmc, Host(state_dir=tmp_path)) as made:
            before_j = good(made)["energy/chassis"]
            energy["Reading"] = 1.0
            assert "the counter fell from" in reasons(made)["energy/chassis"]
            assert good(made)["energy/chassis"] == before_j + 3.6e6
            assert "counter-reset" in [kind for kind, *_ in made.occurrences()]
        energy["Reading"] = 3.0
        with opened(bmc, Host(state_dir=tmp_path)) as again:
            assert good(again)["energy/chassis"] == before_j + 3 * 3.6e6


def test_a_look_that_is_given_twice_is_no_second_opinion() -> None:
    with serve(tree("new")) as bmc, opened(bmc) as made:
        before_j = good(made)["energy/chassis"]
        bmc.resources[METRICS]["EnergykWh"]["Reading"] = 1.0
        assert "the counter fell from" in reasons(made)["energy/chassis"]
        bmc.habits.hangs = "Sensors"
        bmc.resources[METRICS]["EnergykWh"]["Reading"] = 325675.0
        assert "the counter fell from" in reasons(made)["energy/chassis"]  # still of the look before
        bmc.habits.hangs = ""
        bmc.habits.release.set()
        wait_until(lambda: good(made).get("energy/chassis") == before_j, "the true value")


def test_one_wrong_value_of_the_energy_leaves_no_trace() -> None:
    with serve(tree("new")) as bmc, opened(bmc) as made:
        before_j = good(made)["energy/chassis"]
        for wrong in (0.0, -5.0):
            bmc.resources[METRICS]["EnergykWh"]["Reading"] = wrong
            assert "energy/chassis" in reasons(made)
            bmc.resources[METRICS]["EnergykWh"]["Reading"] = 325675.0
            assert good(made)["energy/chassis"] == before_j
        assert "counter-reset" not in [kind for kind, *_ in made.occurrences()]


def _in_environment(resources: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = resources[METRICS]["PowerLimitWatts"]
    return found


def _in_control(resources: dict[str, Any]) -> dict[str, Any]:
    resources[METRICS].pop("PowerLimitWatts", None)
    found: dict[str, Any] = resources[f"{CHASSIS}/Controls/PowerLimit"]
    return found


def _in_power(resources: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = resources[POWER]["PowerControl"][0]["PowerLimit"]
    return found


@pytest.mark.parametrize(
    "habits", [Habits(), Habits(tags=True), Habits(accepts_s=0.05)], ids=["", "tags", "202"]
)
@pytest.mark.parametrize(
    ("name", "find", "key", "bounds", "without"),
    [
        pytest.param("new", _in_environment, "SetPoint", (250, 800), "Disabled", id="EnvironmentMetrics"),
        pytest.param("new", _in_control, "SetPoint", (250, 800), "Disabled", id="Control"),
        pytest.param("old", _in_power, "LimitInWatts", (3000, 10000), None, id="Power"),
    ],
)
def test_the_power_limit_is_set_taken_away_and_restored(
    name: str, find: Any, key: str, bounds: tuple[float, float], without: str | None, habits: Habits
) -> None:
    habits = Habits(tags=habits.tags, accepts_s=habits.accepts_s)
    resources = tree(name)
    place = find(resources)
    original = place[key]
    with serve(resources, habits) as bmc, opened(bmc, limit_min_w=3000 if name == "old" else 0) as made:
        [limit] = made.actuators()
        assert (limit.info.minimum, limit.info.maximum) == bounds
        for value in (bounds[0], 0.0, bounds[1], original):
            limit.set(value)
            assert limit.get() == value
            if value == 0.0:
                assert place["ControlMode" if without else key] == without
        assert place[key] == original
        assert all(f"PATCH {CHASSIS}" in r or f"PATCH {POWER}" in r for r in bmc.requests if "PATCH" in r)


def test_a_limit_that_another_changes_meanwhile_is_looked_at_again() -> None:
    with serve(tree("new"), Habits(tags=True)) as bmc, opened(bmc) as made:
        [limit] = made.actuators()
        stale = iter(['W/"of-before"'])
        true_tag = bmc.tag
        bmc.tag = lambda path: next(stale, None) or true_tag(path)  # type: ignore[method-assign]
        limit.set(600)
        assert limit.get() == 600
        assert sum("PATCH" in request for request in bmc.requests) == 2


def test_a_limit_that_would_turn_the_machine_off_is_refused() -> None:
    resources = tree("old")
    _in_power(resources)["LimitException"] = "HardPowerOff"
    with serve(resources) as bmc, opened(bmc, limit_min_w=3000) as made:
        with pytest.raises(DriverError, match="would turn the machine off"):
            made.actuators()[0].set(5000)
        assert _in_power(bmc.resources)["LimitInWatts"] == 9000


def test_a_limit_without_known_bounds_is_no_actuator_and_says_so() -> None:
    with serve(tree("old")) as bmc, opened(bmc) as made:
        assert made.actuators() == []
        [event] = [o for o in made.occurrences() if o.kind == "limit-without-bounds"]
        assert "limit_min_w" in event.message


def test_a_limit_that_we_may_not_set_gives_the_bmcs_words() -> None:
    with serve(tree("new"), Habits(tags=True)) as bmc, opened(bmc) as made:
        bmc.tag = lambda path: str(time.monotonic_ns())  # type: ignore[method-assign]
        with pytest.raises(DriverError, match="HTTP status 412: The ETag does not match"):
            made.actuators()[0].set(600)


def test_redirects_are_followed_on_the_same_host_only() -> None:
    with serve(tree("old")) as bmc:
        bmc.resources["/redfish/v1/Moved"] = bmc.resources.pop(POWER)
        bmc.habits.moved[POWER] = "/redfish/v1/Moved"
        with opened(bmc) as made:
            assert good(made)["power/system-power-control"] == 8000.0
            for target, why in (
                ("http://198.51.100.1/redfish/v1/Moved", "redirects to http://198.51.100.1"),
                (POWER, "redirects in a circle"),
            ):
                bmc.habits.moved[POWER] = target
                with pytest.raises(DriverError, match=why):
                    made.read()


def test_no_credentials_go_where_it_redirects_to_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with (
        serve(tree("new"), pair=authority.issue("bmc", "IP:127.0.0.1")) as safe,
        serve({}, Habits()) as open_,
    ):
        open_.habits.moved = {path: safe.url + path for path in safe.resources}
        with opened(open_, ca_file=str(authority.ca)) as made:
            assert good(made) == pytest.approx(READINGS["new"])
            assert made.actuators()[0].get() == 500.0
            assert "password-in-clear" not in [kind for kind, *_ in made.occurrences()]
        assert open_.requests == ["GET /redfish/v1/"]
        assert not {"X-Auth-Token", "Authorization"} & open_.moved_with[0].keys()


def test_a_bmc_that_keeps_no_connection_and_one_that_comes_back() -> None:
    with serve(tree("old"), Habits(keeps=False)) as bmc, opened(bmc) as made:
        assert good(made) == pytest.approx(READINGS["old"])
    with pytest.raises(DriverError, match="nothing listens there"):
        made.open()


def test_the_certificate_must_verify_unless_told_otherwise_and_that_is_said(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("bmc", "IP:127.0.0.1")
    with serve(tree("old"), pair=pair) as bmc:
        with pytest.raises(DriverError, match=r"does not verify .*; give the CA"):
            sensor(bmc).open()
        with opened(bmc, ca_file=str(authority.ca)) as made:
            assert good(made) == pytest.approx(READINGS["old"])
            assert "certificate-not-verified" not in [kind for kind, *_ in made.occurrences()]
        with opened(bmc, verify=False) as made:
            assert good(made) == pytest.approx(READINGS["old"])
            assert "certificate-not-verified" in [kind for kind, *_ in made.occurrences()]
        with pytest.raises(DriverError, match="give the PEM file of a CA"):
            sensor(bmc, ca_file=str(tmp_path / "none.pem")).open()
        with pytest.raises(DriverError, match=r"no sound answer|reset"):
            sensor(bmc, url=bmc.url.replace("https", "http")).open()


@pytest.mark.parametrize(
    "url", ["bmc.lan", "ftp://bmc", "https://", "https://user:secret@bmc", "https://b:x"]
)
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(DriverError, match=r"write https://host") as caught:
        RedfishSensor(Host(), RedfishSensor.Options(url=url)).open()
    assert "secret" not in str(caught.value)


_CONFIG = """
site = "lab"
node = "n1"
state_dir = "{home}/state"
[broker]
url = "{broker}"
[outbox]
delivery = "broker"
batch_s = 0.2
[[device]]
name = "server"
driver = "redfish"
interval_s = 0.2
url = "{url}"
username = "{user}"
password = "{password}"
"""


def test_a_cap_through_the_agent_holds_while_the_bmc_hangs_and_ends_where_it_began(tmp_path: Path) -> None:
    with (
        serve(tree("new")) as bmc,
        mosquitto(tmp_path, persistence=False) as broker,
        Fleet(broker.url) as fleet,
    ):
        config = tmp_path / "agent.toml"
        values = {"home": tmp_path, "broker": broker.url, "url": bmc.url, "user": USER, "password": PASSWORD}
        config.write_text(_CONFIG.format_map(values))
        limit = {"device": "server", "actuator": "limit"}
        setpoint = bmc.resources[METRICS]["PowerLimitWatts"]
        with spawn([sys.executable, "-m", "edgeagent.daemon", "--config", str(config)], tmp_path):
            wait_until(lambda: sum("Sensors" in request for request in bmc.requests) > 3, "readings")
            bmc.habits.hangs = "Sensors"
            capped = fleet.command("lab", "n1", "cap", {**limit, "value": 600, "lease_s": 60})
            assert (capped.outcome, setpoint["SetPoint"]) == (Outcome.APPLIED, 600)
            beyond = fleet.command("lab", "n1", "cap", {**limit, "value": 5000, "lease_s": 60})
            assert (beyond.outcome, setpoint["SetPoint"]) == (Outcome.CLAMPED, 800)
            released = fleet.command("lab", "n1", "release", limit)
            assert (released.outcome, setpoint["SetPoint"]) == (Outcome.APPLIED, 500)
        assert bmc.tokens == []  # logged out, hanging or not
