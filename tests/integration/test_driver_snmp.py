"""The snmp driver against snmpsim and net-snmp's snmpd: versions, users, refusals, silence."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgeagent.drivers.snmp import SnmpSensor, ber
from edgeagent.drivers.snmp.message import Community
from edgeagent.drivers.snmp.options import SnmpOptions, new_session
from edgeagent.drivers.snmp.profile import profiles
from edgeagent.drivers.snmp.recognition import identify
from edgeagent.drivers.snmp.session import Session
from edgeagent.drivers.snmp.walk import text, walk
from edgeagent_sdk.channel import Fault
from edgeagent_sdk.driver import Host
from edgeagent_sdk.errors import DriverError
from tests.services import Service, free_port
from tests.snmpagents import OUTLET_PROFILE, outlets, snmpd, snmpsim
from tests.unit.drivers.snmp.recording import DEVICES, NAMES, Recording, expected

DESCRIPTION = ber.oid("1.3.6.1.2.1.1.1.0")
NAME = ber.oid("1.3.6.1.2.1.1.5.0")
#: snmpEnableAuthenTraps: 1 or 2; net-snmp takes both.
SETTABLE = ber.oid("1.3.6.1.2.1.11.30.0")
INTERFACES, STORAGE = ber.oid("1.3.6.1.2.1.2.2.1.2"), ber.oid("1.3.6.1.2.1.25.2.3.1.3")

AUTH, SECRET = "authpass1", "privpass1"

USERS = {
    "monitor": ("SHA-256", "AES", "sha256", "aes128"),
    "old": ("MD5", "AES", "md5", "aes128"),
    "common": ("SHA", "AES", "sha", "aes128"),
    "mid": ("SHA-384", "AES", "sha384", "aes128"),
    "strong": ("SHA-512", "AES", "sha512", "aes128"),
    "short": ("SHA-224", "AES", "sha224", "aes128"),
    "long": ("SHA", "AES-256", "sha", "aes256"),
    "longish": ("SHA", "AES-192", "sha", "aes192"),
}

SNMPD_USERS = "".join(
    f"createUser {name} {auth} {AUTH} {privacy} {SECRET}\nrwuser {name} priv\n"
    for name, (auth, privacy, _, _) in USERS.items()
)

#: By the recordings.
SERIAL_NUMBERS = {
    "apc-rpdu2": "5A1234E00001",
    "eaton-epdu": "U999M37042",
    "entity": "FCW2211L0AB",
    "raritan-pdu2": "1HE7A00042",
    "sentry4": "ABEF0000021",
}


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    user = ["--v3-user=monitor", f"--v3-auth-key={AUTH}", "--v3-auth-proto=SHA256"]
    user += [f"--v3-priv-key={SECRET}", "--v3-priv-proto=AES"]
    home = tmp_path_factory.mktemp("snmpsim")
    plugs = home / "plugs.snmprec"
    plugs.write_text(outlets(2))
    recordings = [plugs, *(DEVICES / f"{name}.snmprec" for name in NAMES)]
    with snmpsim(home, recordings, user=user) as service:
        yield service


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    config = f"{SNMPD_USERS}createUser plain SHA {AUTH}\nrouser plain auth\nrwcommunity private 127.0.0.1\n"
    with snmpd(tmp_path_factory.mktemp("snmpd"), config) as service:
        yield service


def options(port: int, **keys: Any) -> SnmpOptions:
    given = {"host": "127.0.0.1", "port": port, "timeout_ms": 300, "retries": 1} | keys
    return msgspec.convert(given, SnmpOptions)


@contextmanager
def session(port: int, **keys: Any) -> Iterator[Session]:
    made = new_session(options(port, **keys))
    try:
        yield made
    finally:
        made.close()


def v3(user: str, **keys: Any) -> dict[str, Any]:
    _, _, auth, privacy = USERS.get(user, ("", "", "sha256", "aes128"))
    passwords = {"auth_password": AUTH, "privacy_password": SECRET}
    return {"version": "3", "user": user, "auth": auth, "privacy": privacy} | passwords | keys


def compare(sensor: SnmpSensor, name: str) -> None:
    """What a device says, with what its recording should."""
    channels = sensor.open()
    values = {f"{c.quantity.name}/{c.name}": v for c, v in zip(channels, sensor.read(), strict=True)}
    assert sensor.identity == SERIAL_NUMBERS[name]
    wanted = expected(name)
    assert sorted(values) == sorted(wanted)
    for key, words in wanted.items():
        value = values[key]
        if isinstance(value, Fault):
            assert words.removeprefix("fault:") in value.reason
        else:
            assert value == pytest.approx(float(words), rel=1e-12), key
    sensor.close()


@pytest.mark.parametrize("name", NAMES)
def test_a_simulated_device_is_recognized_and_read(simulator: Service, name: str) -> None:
    # The simulator is Python and slow where several are at work.
    compare(SnmpSensor(Host(), options(simulator.port, community=name, timeout_ms=5000)), name)


def test_a_simulated_device_is_read_by_v3(simulator: Service) -> None:
    keys = v3("monitor", context="sentry4", timeout_ms=5000)
    compare(SnmpSensor(Host(), options(simulator.port, **keys)), "sentry4")


@pytest.mark.parametrize("user", USERS)
def test_every_algorithm_with_net_snmp(agent: Service, user: str) -> None:
    with session(agent.port, **v3(user)) as made:
        assert text(made.get([DESCRIPTION])[0]) == "a box with net-snmp"
        made.get([DESCRIPTION])
        assert made.requests == 3  # who it is was asked once
        assert made.damaged == 0


def test_tables_of_different_lengths_are_walked_side_by_side(agent: Service) -> None:
    with session(agent.port) as made:
        cells = walk(made, [INTERFACES, STORAGE, NAME])
    assert "lo" in {text(value) for value in cells[INTERFACES].values()}
    assert len(cells[STORAGE]) > 1
    assert not cells[NAME]  # it is an instance itself, and nothing is under it


def test_an_agent_without_a_serial_number_is_known_by_its_engine(agent: Service) -> None:
    with session(agent.port) as made, session(agent.port, **v3("monitor")) as by_v3:
        (engine,) = {identify(each, profiles()["entity"]).engine_id for each in (made, by_v3)}
        assert made.requests == 1, "it is asked for along with the rest"
    assert engine.startswith("80001f88"), "net-snmp's enterprise number, by RFC 3411"


def test_a_variable_is_written(agent: Service) -> None:
    with (
        session(agent.port, community="private") as made,
        pytest.raises(DriverError, match="refuses to write"),
    ):
        made.set(ber.oid("1.3.6.1.2.1.1.3.0"), 1)


def test_a_box_without_sensors_is_named(agent: Service) -> None:
    with pytest.raises(DriverError, match="a box with net-snmp has the tables of no shipped profile"):
        SnmpSensor(Host(), options(agent.port)).open()


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"community": "wrong"}, "no answer within 0.6 s; is SNMP v2c enabled there, is the community right"),
    (v3("nobody"), "does not know the user 'nobody'; make the SNMP v3 user"),
    (
        v3("monitor", auth_password="wrongpass"),
        "refuses the authentication of user 'monitor'; check auth_pass",
    ),
    (v3("monitor", auth="sha"), r"refuses the authentication of user 'monitor'; check .* and auth \(sha\)"),
    (v3("monitor", privacy_password="wrongpass"), "no answer within .*, is privacy_password right"),
    (v3("plain", auth="sha"), "does not take this user at this security level; set auth and privacy"),
    (v3("monitor", privacy=""), "is not authorized; let the device give this user"),
    (v3("monitor", auth_password="short"), "auth_password has 5 characters; SNMP v3 wants 8"),
    (v3("monitor", auth_password_file="/nowhere"), "auth_password_file /nowhere: no such file"),
    (v3("monitor", auth_password_env="NO_SUCH_NAME"), "the agent's environment has no NO_SUCH_NAME"),
    ({"version": "3"}, "SNMP v3 has no community but a user; set user"),
    (v3("monitor", auth=""), 'privacy without auth proves nothing; set auth, or privacy = ""'),
    ({"host": "no-such-host.invalid"}, "no such host"),
]


@pytest.mark.parametrize(("keys", "words"), WRONG)
def test_a_mistake_is_told_with_its_remedy(agent: Service, keys: dict[str, Any], words: str) -> None:
    sensor = SnmpSensor(Host(), options(agent.port, **keys))
    with pytest.raises(DriverError, match=words) as caught:
        sensor.open()
    assert "\n" not in str(caught.value)
    assert AUTH not in str(caught.value) and SECRET not in str(caught.value)
    sensor.close()
    sensor.close()


def test_nobody_there_is_told_at_once() -> None:
    with pytest.raises(DriverError, match="nothing listens there; enable SNMP"):
        SnmpSensor(Host(), options(free_port(), timeout_ms=60_000)).open()


def test_secrets_are_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "community").write_text("hidden\nmore\n")
    monkeypatch.setenv("COMMUNITY", "hidden-too")
    shown = repr(options(1, community="secret", **v3("monitor")))
    assert not any(word in shown for word in ("'secret'", AUTH, SECRET))
    for keys, word in (
        ({"community_file": str(tmp_path / "community")}, b"hidden"),
        ({"community_env": "COMMUNITY"}, b"hidden-too"),
    ):
        with session(free_port(), **keys) as made:
            assert made._security.wrap(b"", 1) == Community(word.decode()).wrap(b"", 1)


def test_an_agent_that_restarts_is_met_again(tmp_path: Path) -> None:
    with snmpd(tmp_path, SNMPD_USERS) as service, session(service.port, **v3("monitor")) as made:
        made.get([DESCRIPTION])
        service.restart()
        assert text(made.get([DESCRIPTION])[0]) == "a box with net-snmp"


class Liar(threading.Thread):
    """Answers each question with the given datagrams, made from the right answer."""

    def __init__(self, *answers: Any) -> None:
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port: int = self.socket.getsockname()[1]
        self.answers = answers
        self.questions = 0

    def run(self) -> None:
        for answer in self.answers:
            question, where = self.socket.recvfrom(65535)
            self.questions += 1
            for datagram in answer(question):
                self.socket.sendto(datagram, where)


def right(question: bytes) -> bytes:
    """The question itself as its answer: NULL is what the variable holds."""
    return question.replace(b"\xa0", b"\xa2", 1)


def late(question: bytes) -> bytes:
    """The answer to the question before: the last octet of the request's number is another."""
    answer = right(question)
    place = answer.index(b"\xa2") + 7
    return answer[:place] + bytes((answer[place] ^ 1,)) + answer[place + 1 :]


ANSWERS = {
    "half of it, then the whole": ([lambda q: [right(q)[:20], right(q)]], 1),
    "noise, then the whole": ([lambda q: [b"\x00" * 50, b"", right(q)]], 1),
    "that of another question": ([lambda q: [late(q), right(q)]], 1),
    "nothing, then the whole": ([lambda q: [], lambda q: [right(q)]], 2),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_damaged_and_late_answers_are_passed_over(case: str) -> None:
    answers, questions = ANSWERS[case]
    liar = Liar(*answers)
    liar.start()
    with session(liar.port) as made:
        assert made.get([DESCRIPTION]) == [None]
    assert liar.questions == questions
    liar.socket.close()


def test_other_variables_than_asked_for_are_refused() -> None:
    liar = Liar(lambda q: [right(q).replace(DESCRIPTION, NAME)])
    liar.start()
    with session(liar.port) as made, pytest.raises(DriverError, match="other variables"):
        made.get([DESCRIPTION])
    liar.socket.close()


def test_an_outlet_is_switched_by_a_profile_of_ones_own(simulator: Service, tmp_path: Path) -> None:
    profile = tmp_path / "mine.toml"
    profile.write_text(OUTLET_PROFILE)
    keys = {"community": "plugs", "profile": str(profile), "timeout_ms": 5000}
    sensor = SnmpSensor(Host(), options(simulator.port, **keys))
    assert [channel.name for channel in sensor.open()] == ["plug-1", "plug-2"]
    first, second = sensor.actuators()
    for value in (0.0, 1.0, 0.0):
        first.set(value)
        assert (first.get(), second.get()) == (value, 1.0)
        assert list(sensor.read()) == [value, 1.0]
    sensor.close()


def test_recordings_are_what_the_simulator_says(simulator: Service) -> None:
    """The unit tests' agent and the simulator walk alike."""
    column = ber.oid("1.3.6.1.4.1.1718.4.1.8.3.1.7")
    with session(simulator.port, community="sentry4", timeout_ms=5000) as made:
        theirs = walk(made, [column])
    assert theirs == walk(Recording("sentry4"), [column])  # type: ignore[arg-type]
