"""The Publisher against a real broker: five lines are enough, and an outage costs nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edgeagent_sdk import Broker, Publisher
from edgeagent_sdk.errors import BrokerError, NameInvalid, WireError
from tests.authority import Authority
from tests.integration.listener import Listener, listener
from tests.proxy import Proxy, tcp_proxy
from tests.services import Service, free_port, mosquitto, wait_until

_FIVE_LINES = """
from edgeagent_sdk import Publisher
with Publisher({url!r}, site="lab", node="bench1") as publisher:
    for watts in (400.0, 412.5, 0.1):
        publisher.put("power", device="psu0", channel="in", value=watts)
"""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Service]:
    with mosquitto(tmp_path) as service:
        yield service


@pytest.fixture
def heard(broker: Service) -> Iterator[Listener]:
    with listener(broker.url) as made:
        yield made


@pytest.fixture
def road(broker: Service) -> Iterator[Proxy]:
    """The network between the publisher and the broker."""
    with tcp_proxy(broker.port) as proxy:
        yield proxy


def _publisher(port: int, interval_s: float = 0.05) -> Publisher:
    settings = Broker(url=f"mqtt://127.0.0.1:{port}", keepalive_s=5)
    return Publisher(settings, site="lab", node="n1", interval_s=interval_s)


def _put(publisher: Publisher, values: range, pause_s: float = 0.0) -> None:
    for value in values:
        publisher.put("depth", device="queue", channel="a", value=value)
        time.sleep(pause_s)


def test_five_lines(broker: Service, heard: Listener) -> None:
    program = _FIVE_LINES.format(url=broker.url)
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)
    wait_until(lambda: len(heard.readings) == 3, "three readings", 5)
    assert heard.values == [0.1, 400.0, 412.5]
    reading = min(heard.readings)
    assert reading[:5] == ("power", "in", "psu0", "bench1", "lab")
    assert abs(reading.time_ns - time.time_ns()) < 60e9


def test_seqs_have_no_holes_and_headers_count(broker: Service, heard: Listener) -> None:
    with _publisher(broker.port) as publisher:
        _put(publisher, range(300), 0.002)
    wait_until(lambda: len(heard.readings) == 300, "300 readings", 5)
    assert sorted(heard.headers) == list(range(1, len(heard.headers) + 1))
    assert {header.boot for header in heard.headers.values()} == {publisher.boot}
    assert all(header.readings == len(readings) for header, readings in heard.batches)


def test_much_at_once_goes_in_many_batches(broker: Service, heard: Listener) -> None:
    """More than one payload may carry."""
    with _publisher(broker.port, 60.0) as publisher:
        for i in range(100_000):
            publisher.put("depth", device="queue", channel="a", value=i, time_ns=10**18 + i)
    wait_until(lambda: len(heard.readings) == 100_000, "all of them", 30)
    assert len(heard.headers) > 20


def test_more_batches_than_the_client_takes_at_a_time(broker: Service, heard: Listener) -> None:
    with _publisher(broker.port, 1e-4) as publisher:
        _put(publisher, range(2000), 2e-4)
    wait_until(lambda: len(heard.readings) == 2000, "all of them", 10)
    assert len(heard.headers) > 300


def test_several_threads_may_put(broker: Service, heard: Listener) -> None:
    with _publisher(broker.port, 0.001) as publisher, ThreadPoolExecutor(8) as pool:
        for i in range(8):
            pool.submit(_put, publisher, range(500 * i, 500 * i + 500), 1e-4)
    wait_until(lambda: len(heard.readings) == 4000, "all of them", 10)
    assert heard.values == list(range(4000))


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_broker_that_restarts(broker: Service, heard: Listener, end: str) -> None:
    """What came before it went and what came while it was away: all of it arrives."""
    with _publisher(broker.port) as publisher:
        _put(publisher, range(100), 0.002)
        publisher.flush()
        wait_until(lambda: len(heard.readings) == 100, "the first hundred", 5)
        broker.signal(signal.SIGUSR1)  # it saves who listens, which `kill` would make it forget
        time.sleep(0.2)
        getattr(broker, end)()
        _put(publisher, range(100, 300), 0.002)
        broker.start()
        _put(publisher, range(300, 400), 0.002)
        publisher.flush(30.0)
    wait_until(lambda: len(heard.readings) == 400, "all of them", 30)
    assert heard.values == list(range(400))


def test_a_broker_that_comes_late(tmp_path: Path) -> None:
    port = free_port()
    with _publisher(port) as publisher:
        _put(publisher, range(50), 0.005)
        with mosquitto(tmp_path, port=port) as broker, listener(broker.url) as heard:
            # Whoever listens after the readings went out has missed them: only the rest is certain.
            publisher.flush(30.0)
            _put(publisher, range(50, 60))
            publisher.flush()
            wait_until(lambda: {float(i) for i in range(50, 60)} <= set(heard.values), "the rest", 5)


def test_a_connection_that_is_half_open(road: Proxy, heard: Listener) -> None:
    """Packets vanish and nobody is told; the keepalive finds out, and everything is sent again."""
    with _publisher(road.port) as publisher:
        _put(publisher, range(50), 0.002)
        publisher.flush()
        road.swallow.set()
        _put(publisher, range(50, 150), 0.002)
        wait_until(lambda: not publisher._session.connected.is_set(), "the keepalive finds out", 30)
        road.swallow.clear()
        publisher.flush(30.0)
    wait_until(lambda: len(heard.readings) == 150, "all of them", 5)
    assert heard.values == list(range(150))


def test_a_connection_that_is_cut_again_and_again(road: Proxy, heard: Listener) -> None:
    with _publisher(road.port, 0.01) as publisher:
        for i in range(10):
            _put(publisher, range(100 * i, 100 * i + 100), 0.002)
            road.cut()
        publisher.flush(30.0)
    wait_until(lambda: len(heard.readings) == 1000, "all of them", 10)
    assert heard.values == list(range(1000))


def test_close_says_what_did_not_arrive() -> None:
    port = free_port()
    publisher = _publisher(port)
    _put(publisher, range(3))
    with pytest.raises(BrokerError) as caught:
        publisher.close(0.5)
    assert str(caught.value) == (
        "1 batches did not reach the broker within 0.5 s: "
        f"broker 127.0.0.1:{port}: nothing listens there; start the broker or check broker.url"
    )
    publisher.close()  # a second time is nothing


def test_what_waits_is_bounded() -> None:
    publisher = _publisher(free_port(), 0.01)
    with pytest.raises(BrokerError, match="16 MiB of readings wait for the broker: "):
        for i in range(1_000_000):
            publisher.put("depth", device="queue", channel="c" * 60, value=i + 0.123456789)
    with pytest.raises(BrokerError):
        publisher.close(0.1)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"quantity_name": "pwer"}, WireError),
        ({"device": "PSU 0"}, NameInvalid),
        ({"channel": ""}, NameInvalid),
        ({"value": float("nan")}, ValueError),
        ({"value": float("-inf")}, ValueError),
    ],
)
def test_what_is_no_reading_is_refused_at_once(
    broker: Service, heard: Listener, arguments: dict[str, object], error: type[Exception]
) -> None:
    good = {"quantity_name": "power", "device": "psu0", "channel": "in", "value": 1.0}
    with _publisher(broker.port) as publisher:
        with pytest.raises(error):
            publisher.put(**(good | arguments))  # type: ignore[arg-type]
        publisher.put(**good)  # type: ignore[arg-type]
    wait_until(lambda: heard.values == [1.0], "the good one", 5)


def test_mutual_tls(tmp_path: Path) -> None:
    for name in ("good", "evil"):
        (tmp_path / name).mkdir()
    authority, other = Authority(tmp_path / "good"), Authority(tmp_path / "evil")
    cert, key = authority.issue("broker", "IP:127.0.0.1")
    client_cert, client_key = authority.issue("client", "DNS:client")
    extra = f"certfile {cert}\nkeyfile {key}\ncafile {authority.ca}\nrequire_certificate true"
    with mosquitto(tmp_path, config_extra=extra) as broker:
        url = f"mqtts://127.0.0.1:{broker.port}"
        ours = {"url": url, "ca": str(authority.ca), "cert": str(client_cert), "key": str(client_key)}
        with Publisher(Broker(**ours), site="lab", node="n1") as publisher:  # type: ignore[arg-type]
            _put(publisher, range(3))
        for wrong, said in (
            ({"ca": str(other.ca)}, "its certificate does not verify"),
            ({"ca": ""}, "its certificate does not verify"),
            ({"cert": "", "key": ""}, "did not answer; check broker.cert"),
        ):
            publisher = Publisher(Broker(**(ours | wrong)), site="lab", node="n1")  # type: ignore[arg-type]
            _put(publisher, range(3))
            with pytest.raises(BrokerError, match=said):
                publisher.close(2.0)
