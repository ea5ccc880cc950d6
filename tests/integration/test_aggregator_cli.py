"""`edgeagent aggregate` and its user: every mistake is one clear line and an exit code."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.cli import command, edgeagent, environment
from tests.services import Service, mosquitto, spawn, victoria, wait_until


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that is in use."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--config", "none.toml"], "none.toml: cannot be read: no such file or directory"),
        (["--store", "influx3"], "store.kind: unknown store 'influx3'"),
        (
            ["--store", "sqlite", "--store-path", "/proc/none/store.db"],
            "store.path /proc/none/store.db: no such",
        ),
        (["--broker", "tcp://127.0.0.1"], "write mqtt://host[:port] or mqtts://host[:port]"),
        (
            ["--store-url", "http://127.0.0.1:1"],
            "nothing listens there; start it or check store.url; with --store",
        ),
        (["--store-url", "influx"], "store.url 'influx': write http://host:port"),
        (["--store", "influx1", "--store-url", "influx"], "store.url 'influx': write http://host:port"),
        (["--listen", "127.0.0.1:99999"], "listen 127.0.0.1:99999: bind(): port must be 0-65535"),
        (["--listen", "192.0.2.1:80"], "listen 192.0.2.1:80: cannot assign requested address; end what"),
        (["--listen", "nowhere"], "listen: must be host:port, not"),
        (
            ["--listen", "127.0.0.1:{taken}"],
            "address already in use; end what uses it or set another address",
        ),
        (["--ledger"], "No such option"),
    ],
)
def test_a_mistake_is_one_clear_line(tmp_path: Path, taken: int, arguments: list[str], words: str) -> None:
    given = [argument.format(taken=taken) for argument in arguments]
    if "--store" not in given and "--store-url" not in given:
        given += ["--store-path", str(tmp_path / "store.db")]
    if "--broker" not in given:
        given += ["--broker", "mqtt://127.0.0.1:1"]
    result = edgeagent("aggregate", "--state-dir", tmp_path, *given)
    assert result.code != 0, result
    assert words in result.err, result
    assert "Traceback" not in result.err
    assert len([line for line in result.err.splitlines() if line.startswith("edgeagent:")]) <= 1


def test_every_mistake_of_a_file_is_told_with_its_line(tmp_path: Path) -> None:
    config = tmp_path / "central.toml"
    config.write_text(
        'replcia = "x"\npast_days = -1\ngroup = "a/b"\n'
        '[broker]\nkeepalive_s = 1\n[store]\nkind = "influx1"\ndatabse = "x"\n'
    )
    result = edgeagent("aggregate", "--config", config)
    assert result.code != 0
    for line, words in (
        (1, "replcia: unknown key; did you mean 'replica'?"),
        (2, "past_days: "),
        (3, "group: "),
        (5, "broker.keepalive_s: "),
        (8, "store.databse: unknown key; did you mean 'database'?"),
    ):
        assert f"edgeagent: {config}:{line}: {words}" in result.err, result


def test_wrong_credentials_end_it(tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    passwords.write_text("")
    with mosquitto(tmp_path, config_extra=f"password_file {passwords}\nallow_anonymous false") as broker:
        result = edgeagent(
            "aggregate", "--broker", broker.url, "--store-path", tmp_path / "s.db", "--state-dir", tmp_path
        )
    assert result.code == 1
    assert "refuses us" in result.err and "check broker.username and broker.password" in result.err


@contextmanager
def aggregate(directory: Path, *arguments: str | Path, ready: str) -> Iterator[Service]:
    line = command("aggregate", "--listen", "127.0.0.1:0", "--state-dir", directory, *arguments)
    with spawn(line, directory, name="aggregator", environment=environment()) as service:
        wait_until(lambda: ready in service.log.read_text(), ready)
        yield service


def test_a_broker_that_is_not_there_yet_is_waited_for_and_told_once(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = ("--broker", f"mqtt://127.0.0.1:{port}", "--store-path", tmp_path / "s.db")
    with aggregate(tmp_path, *arguments, ready="nothing listens there") as service:
        wait_until(lambda: "aggregating; HTTP API at http://127.0.0.1:" in service.log.read_text(), "it runs")
        with mosquitto(tmp_path, port=port):
            wait_until(lambda: "connected to the broker" in service.log.read_text(), "connected", 30)
        words = service.log.read_text()
        assert words.count("nothing listens there") <= 3, words
        assert service.stop() == 0


def test_a_url_alone_tells_what_store_it_is(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker, victoria(tmp_path) as store:
        arguments = ("--broker", broker.url, "--store-url", store.url)
        with aggregate(tmp_path, *arguments, ready="connected to the broker") as service:
            assert service.stop() == 0


def test_explain_names_every_key() -> None:
    rows = {row["key"] for row in edgeagent("aggregate", "--explain", "--json").json}
    assert {"replica", "group", "persistent", "listen", "broker.url", "store.kind", "store.path"} <= rows
    assert {"store.url", "store.database", "store.bucket", "store.retention_days", "store.resend_s"} <= rows
