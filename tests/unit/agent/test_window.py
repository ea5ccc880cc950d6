"""The window of batches in flight."""

from __future__ import annotations

import pytest

from edgeagent.window import WINDOW_MAX_BYTES, Window


class Client:
    """Takes payloads while it has room; message ids count from 1."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.room = 100

    def send(self, payload: bytes) -> int | None:
        if len(self.sent) >= self.room:
            return None
        self.sent.append(payload)
        return len(self.sent)


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time in seconds, moved by hand."""
    time = [0.0]
    monkeypatch.setattr("edgeagent.window.time.monotonic_ns", lambda: int(time[0] * 1e9))
    return time


def test_it_is_bounded_in_number(client: Client) -> None:
    window = Window(client.send, batches=3, ack_timeout_s=10.0)
    for seq in range(1, 4):
        assert window.room == 4 - seq
        assert window.launch(("b", seq), b"x")
    assert window.room == 0
    window.landed([("b", 2)])
    assert window.room == 1


def test_it_is_bounded_in_bytes(client: Client) -> None:
    window = Window(client.send, batches=1000, ack_timeout_s=10.0)
    while window.room > 0:
        window.launch(("b", len(client.sent)), b"x" * (1 << 20))
    assert len(client.sent) == WINDOW_MAX_BYTES >> 20
    window.landed(list(window.flights))
    assert window.room == 1000


def test_a_full_client_is_not_taken_for_a_flight(client: Client) -> None:
    client.room = 0
    window = Window(client.send, batches=3, ack_timeout_s=10.0)
    assert not window.launch(("b", 1), b"x")
    assert window.flights == {}


@pytest.mark.parametrize(
    ("broker_has_it", "moments", "sent"),
    [
        pytest.param(False, [100.0, 1000.0], 1, id="what the broker lacks is the client's to repeat"),
        pytest.param(True, [9.9], 1, id="patience"),
        pytest.param(True, [10.0], 2, id="after the timeout"),
        pytest.param(True, [10.0, 20.1, 29.9], 2, id="then twice as long"),
        pytest.param(True, [10.0, 30.0, 70.0], 4, id="and again"),
    ],
)
def test_when_a_batch_is_sent_again(
    client: Client, now: list[float], broker_has_it: bool, moments: list[float], sent: int
) -> None:
    window = Window(client.send, batches=3, ack_timeout_s=10.0)
    window.launch(("b", 1), b"x")
    for moment in moments:
        if broker_has_it:
            window.broker_has(len(client.sent))
        now[0] = moment
        window.resend()
    assert len(client.sent) == sent


def test_patience_starts_anew_after_a_reconnect(client: Client, now: list[float]) -> None:
    window = Window(client.send, batches=3, ack_timeout_s=10.0)
    window.launch(("b", 1), b"x")
    window.broker_has(1)
    now[0] = 9.0
    window.reconnected()
    now[0] = 18.0
    window.resend()
    assert len(client.sent) == 1


def test_the_slowest_of_those_acknowledged_tells_the_latency(client: Client, now: list[float]) -> None:
    window = Window(client.send, batches=3, ack_timeout_s=10.0)
    window.launch(("b", 1), b"x")
    now[0] = 2.0
    window.launch(("b", 2), b"x")
    now[0] = 3.0
    assert window.landed([("b", 1), ("b", 2), ("b", 99)]) == 3.0
    assert window.landed([("b", 1)]) is None
