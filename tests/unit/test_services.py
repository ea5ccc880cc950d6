"""The services that every other test stands on."""

from __future__ import annotations

import socket
import sys
import time
from pathlib import Path

import pytest

from tests.proxy import tcp_proxy
from tests.services import Service, influxd, listens, mosquitto, spawn, victoria


def _lines(count: int) -> bytes:
    start_ns = time.time_ns() - 60 * 10**9
    return b"".join(
        b"power,channel=c%d,device=d,node=n,site=s value=%d.5 %d\n" % (i % 10, i, start_ns + i // 10 * 10**6)
        for i in range(count)
    )


def test_mosquitto_comes_back_on_its_port(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        assert listens(broker.port)
        broker.kill()
        assert not listens(broker.port)
        broker.restart()
        assert listens(broker.port)
    assert not broker.running


@pytest.mark.parametrize("start", [influxd, victoria])
def test_stores_count_every_point_once(start: type, tmp_path: Path) -> None:
    with start(tmp_path) as store:
        lines = _lines(1000)
        store.write(lines)
        store.write(lines)
        assert store.count() == 1000


def test_influxd_keeps_points_over_kill(tmp_path: Path) -> None:
    with influxd(tmp_path) as store:
        lines = _lines(500)
        store.write(lines)
        store.kill()
        store.restart()
        store.write(lines)
        assert store.count() == 500
        assert store.query('SELECT LAST("value") FROM power')[0]["last"] == 499.5


def test_a_service_that_ends_says_why(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no coffee')"]
    with (
        pytest.raises(RuntimeError, match=r"code 1: no coffee"),
        spawn(command, tmp_path, name="pot", port=1),
    ):
        pass


def test_the_environment_is_ours_and_more(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import os; print(os.environ['FLAVOUR'], 'PATH' in os.environ)"]
    service = Service(command, tmp_path, name="taster", environment={"FLAVOUR": "mint"}).start(wait=False)
    assert service.proc is not None and service.proc.wait(10) == 0
    assert service.last_words() == "mint True"


def test_proxy_passes_swallows_and_cuts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, tcp_proxy(server.getsockname()[1]) as proxy:
        client = socket.create_connection(("127.0.0.1", proxy.port), 5)
        peer, _ = server.accept()
        peer.settimeout(0.3)
        client.settimeout(5)
        client.sendall(b"one")
        assert peer.recv(10) == b"one"
        proxy.swallow.set()
        client.sendall(b"two")
        with pytest.raises(TimeoutError):
            peer.recv(10)
        proxy.swallow.clear()
        peer.sendall(b"three")
        assert client.recv(10) == b"three"
        proxy.cut()
        assert client.recv(10) == b""
        client.close()
        peer.close()
