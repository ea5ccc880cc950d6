"""UPSes by Network UPS Tools: Debian's upsd with its dummy driver, and answers that no upsd should give."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edgeagent.drivers.nut import NutSensor
from edgeagent.drivers.nut.discovery import discover
from edgeagent_sdk.channel import Fault, Value
from edgeagent_sdk.driver import Host
from edgeagent_sdk.errors import DriverError
from edgeagent_sdk.messages import Severity
from tests.authority import Authority
from tests.nut import PASSWORD, USER, Ups, ups
from tests.services import need, wait_until


def sensor(port: int, **options: Any) -> NutSensor:
    return NutSensor(Host(), NutSensor.Options(port=port, **options))


@contextmanager
def opened(port: int, **options: Any) -> Iterator[tuple[NutSensor, list[str]]]:
    made = sensor(port, **options)
    try:
        yield made, [f"{channel.quantity.name}/{channel.name}" for channel in made.open()]
    finally:
        made.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Ups]:
    home = tmp_path_factory.mktemp("upsd")
    _into_nss(home, *authority.issue("upsd", "IP:127.0.0.1"))
    with ups(home, "rack", "desk", tls=True) as made:
        yield made


def values(made: NutSensor, names: list[str]) -> dict[str, Value]:
    return dict(zip(names, made.read(), strict=True))


READINGS = {
    "state/status": 1 + 32,
    "soc/battery": 0.95,
    "runtime/battery": 1800.0,
    "voltage/battery": 27.1,
    "voltage/input": 231.4,
    "voltage/input-l1-n": 230.9,
    "frequency/input": 50.0,
    "voltage/output": 230.2,
    "current/output": 2.4,
    "power/outlet-1": 310.0,
    "utilization/ups": 0.37,
    "apparent_power/ups": 560.0,
    "power/ups": 520.0,
    "temperature/ups": 31.5,
}


def test_everything_that_is_measured_and_no_limits(peer: Ups) -> None:
    with opened(peer.port, ups="rack", username=USER, password=PASSWORD) as (made, names):
        assert values(made, names) == pytest.approx(READINGS)


def test_the_status_is_told_as_it_changes(peer: Ups) -> None:
    with opened(peer.port, ups="rack") as (made, names):
        values(made, names)
        assert made.occurrences() == []
        peer.tell({"ups.status": "OB DISCHRG LB", "battery.charge": "12", "ups.load": "105"})
        wait_until(lambda: values(made, names)["state/status"] == 2 + 64 + 4, "on battery")
        assert values(made, names)["utilization/ups"] == 1.05
        [event] = made.occurrences()
        assert event.message == "the UPS is on battery, battery discharging, battery low"
        assert (event.kind, event.severity) == ("ups-status", Severity.ERROR)
        peer.tell({"ups.status": "OL NEWWORD"})
        wait_until(lambda: values(made, names)["state/status"] == 1 + (1 << 17), "a word that nobody knows")


def test_what_is_no_number_and_what_is_gone_are_faults(peer: Ups) -> None:
    with opened(peer.port, ups="rack") as (made, names):
        values(made, names)
        peer.tell({"ups.load": "n/a"})
        fault = Fault("'n/a' is not a number")
        wait_until(lambda: values(made, names)["utilization/ups"] == fault, "no number")
        assert values(made, names)["power/ups"] == 520.0


def test_another_ups_in_its_place_gives_no_reading(peer: Ups) -> None:
    with opened(peer.port, ups="rack") as (made, names):
        values(made, names)
        assert made.identity == "G123E45678"
        peer.tell({"device.serial": "OTHER"})
        with pytest.raises(DriverError, match="serial number OTHER, not G123E45678"):
            wait_until(lambda: not made.read(), "the other one")
        with pytest.raises(DriverError, match="another UPS"):
            made.open()
        peer.tell({})
        wait_until(lambda: _opens(made), "the old one again")
    with pytest.raises(DriverError, match="another UPS"):
        sensor(peer.port, ups="rack", serial_number="X").open()


def _opens(made: NutSensor) -> bool:
    made.close()
    try:
        return bool(made.open())
    except DriverError:
        return False


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        pytest.param({}, "which UPS.; set ups to one of: rack, desk", id="two, and none chosen"),
        pytest.param({"ups": "attic"}, "no UPS 'attic'; set ups to one of: rack, desk", id="no such"),
        pytest.param(
            {"ups": "rack", "username": USER, "password": "x"}, "user name or password", id="password"
        ),
        pytest.param({"ups": "rack", "username": "x", "password": "x"}, "user name or password", id="user"),
        pytest.param({"ups": "rack", "username": "a\nLOGOUT"}, "characters", id="a line break in the name"),
        pytest.param({"ups": "rack", "tls": True}, "does not verify", id="a certificate of nobody we know"),
        pytest.param({"address": "no.such.host.invalid"}, "no such host", id="no such host"),
    ],
)
def test_what_keeps_us_out_is_told(peer: Ups, options: dict[str, Any], reason: str) -> None:
    made = sensor(peer.port, **options)
    with pytest.raises(DriverError, match=reason):
        made.open()
    made.close()


def test_discovery_finds_the_upses_and_says_what_is_missing(peer: Ups, tmp_path: Path) -> None:
    found = {one.device: one for one in discover(Host(), peer.port)}
    assert found.keys() == {"ups-rack", "ups-desk"}
    assert found["ups-rack"].options == {"ups": "rack"}
    assert "EATON 5PX 1500" in found["ups-rack"].summary and not found["ups-rack"].missing
    assert list(discover(Host(tmp_path), peer.port)) == []


def test_stale_data_and_a_driver_that_is_gone_are_faults(tmp_path: Path) -> None:
    with ups(tmp_path, max_age_s=2) as peer, opened(peer.port) as (made, names):
        assert values(made, names) == pytest.approx(READINGS)
        with pytest.raises(DriverError, match="no certificate for TLS"):
            sensor(peer.port, tls=True).open()
        peer.driver.pause()
        wait_until(lambda: "stale" in str(values(made, names)["power/ups"]), "stale")
        with pytest.raises(DriverError, match="its data is stale"):
            sensor(peer.port).open()
        assert [one.missing != "" for one in discover(Host(), peer.port)] == [True]
        peer.driver.resume()
        wait_until(lambda: values(made, names)["power/ups"] == 520.0, "fresh again")
        peer.driver.stop()
        wait_until(lambda: "its driver does not run" in str(values(made, names)["power/ups"]), "gone")
        peer.upsd.stop()
        with pytest.raises(DriverError, match=r"hung up|reset|broken pipe"):
            made.read()
        with pytest.raises(DriverError, match="nothing listens there"):
            made.open()


@pytest.mark.parametrize("verify", [True, False])
def test_the_connection_can_be_encrypted(peer: Ups, authority: Authority, verify: bool) -> None:
    options = {"ca_file": str(authority.ca)} if verify else {"verify": False}
    with opened(peer.port, ups="desk", tls=True, **options) as (made, names):
        assert values(made, names)["voltage/input"] == 231.4


def _into_nss(home: Path, certificate: Path, key: Path) -> None:
    """Debian's upsd is built on NSS, which keeps certificates in a database."""
    database = home / "nut" / "certificates"
    database.mkdir(parents=True)
    (home / "pass").write_text("pass\n")
    export = "pkcs12 -export -name upsd -passout pass:x -out upsd.p12"
    for command in (
        [need("openssl", "openssl"), *export.split(), "-in", str(certificate), "-inkey", str(key)],
        [need("certutil", "libnss3-tools"), "-N", "-d", f"sql:{database}", "-f", "pass"],
        [need("pk12util", "libnss3-tools"), *f"-i upsd.p12 -d sql:{database} -k pass -W x".split()],
    ):
        subprocess.run(command, cwd=home, check=True, capture_output=True)


@contextmanager
def scripted(*answers: bytes) -> Iterator[int]:
    """Somebody who answers line after line from a list, and then falls silent; the port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ended = threading.Event()

        def serve() -> None:
            connection, _ = server.accept()
            with connection, connection.makefile("rb") as lines:
                for answer in answers:
                    lines.readline()
                    connection.sendall(answer)
                if answers[-1].endswith(b"\n"):
                    ended.wait(20)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            ended.set()
            thread.join(5)


_UPSES = b'BEGIN LIST UPS\nUPS rack "Rack"\nEND LIST UPS\n'


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        pytest.param((b"SSH-2.0-OpenSSH_9.2\n",), "which was not asked; is that a upsd", id="no upsd"),
        pytest.param((b"ERR\n",), "which was not asked", id="an error without a word"),
        pytest.param((b"ERR NEW-THING\n",), "it refuses: NEW-THING", id="an error that nobody knows"),
        pytest.param((b"BEGIN LIST UPS\nUPS ra",), "hung up in the middle of an answer", id="half a line"),
        pytest.param((b"BEGIN LIST UPS\n",), "no answer within 0.3 s", id="silence in the middle"),
        pytest.param((b"x" * 9000,), "a line without end", id="a line without end"),
        pytest.param((_UPSES, b"BEGIN LIST VAR desk\n"), "which was not asked", id="of another UPS"),
        pytest.param(
            (_UPSES, b"BEGIN LIST VAR rack\nVAR desk ups.load 3\n"), "which was not asked", id="mixed up"
        ),
        pytest.param(
            (_UPSES, b'BEGIN LIST VAR rack\nVAR rack ups.status "WAIT"\nEND LIST VAR rack\n'),
            "its driver has told nothing yet",
            id="not ready",
        ),
        pytest.param((_UPSES, b"ERR DATA-STALE\n"), "its data is stale", id="stale"),
        pytest.param(
            (b"BEGIN LIST UPS\n" + b"UPS a b\n" * 6000,), "a list without end", id="a list without end"
        ),
    ],
)
def test_answers_that_no_upsd_should_give(answers: tuple[bytes, ...], reason: str) -> None:
    with scripted(*answers) as port:
        made = sensor(port, timeout_s=0.3)
        with pytest.raises(DriverError, match=reason):
            made.open()
        made.close()
