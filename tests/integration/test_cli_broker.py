"""`check` and `run` against real brokers that refuse: one clear line, and an exit code other than 0."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.authority import Authority
from tests.services import Service, mosquitto, need, spawn, wait_until

from .cli import command, edgeagent, environment


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A broker that wants a password."""
    home = tmp_path_factory.mktemp("guarded")
    passwords = home / "passwords"
    program = need("mosquitto_passwd", "mosquitto")
    subprocess.run([program, "-b", "-c", str(passwords), "me", "secret"], check=True)
    with mosquitto(home, config_extra=f"allow_anonymous false\npassword_file {passwords}") as broker:
        yield broker


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("good"))


@pytest.fixture(scope="module")
def encrypted(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A broker behind TLS."""
    cert, key = authority.issue("broker", "IP:127.0.0.1")
    extra = f"certfile {cert}\nkeyfile {key}"
    with mosquitto(tmp_path_factory.mktemp("encrypted"), config_extra=extra) as broker:
        yield broker


@pytest.fixture(scope="module")
def mutual(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A broker that wants our certificate as well."""
    cert, key = authority.issue("mutual", "IP:127.0.0.1")
    extra = f"certfile {cert}\nkeyfile {key}\ncafile {authority.ca}\nrequire_certificate true"
    with mosquitto(tmp_path_factory.mktemp("mutual"), config_extra=extra) as broker:
        yield broker


def config(tmp_path: Path, **broker: str) -> Path:
    path = tmp_path / "agent.toml"
    keys = "".join(f'{key} = "{value}"\n' for key, value in broker.items())
    path.write_text(f'site = "lab"\nnode = "n1"\nstate_dir = "{tmp_path}/state"\n[broker]\n{keys}')
    return path


def refused(path: Path, key: str = "url") -> str:
    """What `check` and `run` both say, `check` at the line of the key that is to blame."""
    checked, ran = (edgeagent(name, "--config", path).mistake for name in ("check", "run"))
    reason = ran.removeprefix("edgeagent: ").removeprefix(f"broker.{key} ")
    keys = [line.partition(" = ")[0] for line in path.read_text().splitlines()]
    assert checked == f"{path}:{keys.index(key) + 1}: broker.{key}: {reason}"
    assert not (path.parent / "state").exists()
    return reason


@pytest.mark.parametrize(
    "login", [{}, {"username": "me", "password": "wrong"}, {"username": "you", "password": "secret"}]
)
def test_wrong_credentials(tmp_path: Path, guarded: Service, login: dict[str, str]) -> None:
    path = config(tmp_path, url=guarded.url, **login)
    assert refused(path) == (
        f"broker 127.0.0.1:{guarded.port} refuses us: not authorized; "
        "check broker.username and broker.password"
    )


def test_right_credentials(tmp_path: Path, guarded: Service) -> None:
    (tmp_path / "password").write_text("secret\n")
    for login in (
        {"username": "me", "password": "secret"},
        {"username": "me", "password_file": f"{tmp_path}/password"},
    ):
        result = edgeagent("check", config(tmp_path, url=guarded.url, **login))
        assert result.code == 0, result
        assert result.out.endswith(f"the broker 127.0.0.1:{guarded.port} answers\n")
    inside = guarded.url.replace("://", "://me:secret@")
    assert edgeagent("check", config(tmp_path, url=inside)).code == 0


def test_a_password_file_that_is_not_there(tmp_path: Path, guarded: Service) -> None:
    path = config(tmp_path, url=guarded.url, username="me", password_file="/nowhere/password")
    assert refused(path, "password_file") == "/nowhere/password: no such file or directory"


def test_right_ca(tmp_path: Path, authority: Authority, encrypted: Service) -> None:
    path = config(tmp_path, url=f"mqtts://127.0.0.1:{encrypted.port}", ca=str(authority.ca))
    assert edgeagent("check", path).code == 0


def test_wrong_ca(tmp_path: Path, encrypted: Service) -> None:
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    url = f"mqtts://127.0.0.1:{encrypted.port}"
    line = refused(config(tmp_path, url=url, ca=str(other.ca)))
    assert line.startswith(f"broker 127.0.0.1:{encrypted.port}: its certificate does not verify (")
    assert line.endswith("); check broker.ca and the host name")
    assert "does not verify" in refused(config(tmp_path, url=url)), "nor is it one of the system's"


def test_a_name_that_the_certificate_does_not_have(
    tmp_path: Path, authority: Authority, encrypted: Service
) -> None:
    path = config(tmp_path, url=f"mqtts://localhost:{encrypted.port}", ca=str(authority.ca))
    assert "does not verify (Hostname mismatch" in refused(path)


def test_a_ca_file_that_is_none(tmp_path: Path, encrypted: Service) -> None:
    ca = tmp_path / "ca.pem"
    path = config(tmp_path, url=f"mqtts://127.0.0.1:{encrypted.port}", ca=str(ca))
    assert refused(path, "ca") == f"{ca}: no such file"
    ca.write_text("garbage")
    assert refused(path).startswith("broker.ca, broker.cert or broker.key cannot be used: ")


def test_mutual_tls(tmp_path: Path, authority: Authority, mutual: Service) -> None:
    cert, key = authority.issue("client", "DNS:client")
    url = f"mqtts://127.0.0.1:{mutual.port}"
    keys = {"url": url, "ca": str(authority.ca), "cert": str(cert), "key": str(key)}
    assert edgeagent("check", config(tmp_path, **keys)).code == 0
    missing = edgeagent("check", config(tmp_path, url=url, ca=str(authority.ca)))
    # With TLS 1.3 the refusal looks like a broker that goes away; so it is told, with what to look at.
    assert "took the connection but did not answer; check broker.cert and broker.key" in missing.err


def test_run_waits_for_a_broker_that_is_not_there(tmp_path: Path) -> None:
    path = config(tmp_path, url="mqtt://127.0.0.1:1")
    with spawn(command("run", "--config", path), tmp_path, name="run", environment=environment()) as agent:
        wait_until(lambda: "lab/n1 runs with 0 devices" in agent.log.read_text(), "the agent runs")
        arguments = Path(f"/proc/{agent.pid}/cmdline").read_text().split("\0")
        assert "edgeagent.daemon" in arguments, "the process has become the lean daemon"
        begun = time.monotonic()
        agent.signal(signal.SIGTERM)
        assert agent.stop() == 0
        assert time.monotonic() - begun < 5
    first = agent.log.read_text().splitlines()[0]
    assert first == (
        "edgeagent: broker 127.0.0.1:1: nothing listens there; start the broker or check broker.url; "
        "readings wait on the disk until then"
    )


def test_the_daemon_holds_neither_typer_nor_rich(tmp_path: Path) -> None:
    path = config(tmp_path, url="mqtt://127.0.0.1:1")
    with spawn(command("run", "--config", path), tmp_path, name="run", environment=environment()) as agent:
        wait_until(lambda: "runs with" in agent.log.read_text(), "the agent runs")
        mapped = Path(f"/proc/{agent.pid}/maps").read_text()
        assert "msgspec" in mapped
    listed = subprocess.run(
        [command()[0], "-P", "-c", "import edgeagent.daemon, sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert not {"typer", "rich", "click"} & set(listed)
