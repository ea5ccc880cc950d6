"""The JSON messages: what they carry, and what is none."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeagent_sdk.errors import WireError
from edgeagent_sdk.messages import (
    Ack,
    ChannelInfo,
    Command,
    Describe,
    Event,
    Message,
    Outcome,
    Refusal,
    Reply,
    Severity,
    State,
    Status,
    decode,
    ranges,
)

MESSAGES: list[Message] = [
    State(status=Status.ONLINE, since_ns=5, instance="i", boot="b", clock="synced"),
    Describe(
        boot="b",
        instance="i",
        channels=[
            ChannelInfo(
                device="d", channel="c", quantity="power", unit="W", kind="gauge", calibration=[(0.0, 1.0)]
            )
        ],
        commands=["ping"],
        versions={"edgeagent": "1"},
    ),
    Event(kind="fault", message="broken", time_ns=1, severity=Severity.ERROR, data={"a": [1, None]}),
    Command(id="x", issued_ns=1, ttl_s=2.0, body={"cap_w": 250.0}),
    Reply(id="x", outcome=Outcome.CLAMPED, time_ns=2, holds={"cap_w": 200}, why="limit"),
    Ack(boot="b", stored=[(1, 3), (7, 7)], refused=[Refusal(seq=5, reason="not UTF-8")]),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: type(m).__name__)
def test_every_message_reads_back(message: Message) -> None:
    assert decode(message.encode(), type(message)) == message


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: type(m).__name__)
def test_a_newer_peer_may_say_more(message: Message) -> None:
    more = json.loads(message.encode()) | {"mood": ["good"]}
    assert decode(json.dumps(more).encode(), type(message)) == message


@pytest.mark.parametrize(
    "payload",
    [b"", b"{", b"[]", b"null", b"{}", b"\xff", b'{"status":"here","since_ns":1}', b'{"status":"online"}',
     b'{"status":"online","since_ns":"1"}', b'{"status":"online","since_ns":1.5}', b"[" * 5000],
)  # fmt: skip
def test_what_is_no_state_is_refused(payload: bytes) -> None:
    with pytest.raises(WireError, match=r"^not a state message: "):
        decode(payload, State)


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        pytest.param(
            Command,
            b'{"id":"x","issued_ns":1,"ttl_s":1,"body":{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
            id="too deep",
        ),
        pytest.param(Command, b'{"id":"x","issued_ns":9223372036854775808,"ttl_s":1}', id="65 bits"),
        pytest.param(Command, b'{"id":"x","issued_ns":-1,"ttl_s":1}', id="before 1970"),
        pytest.param(Ack, b'{"boot":"b","stored":[[1,9223372036854775808]]}', id="65 bits in a range"),
        pytest.param(Ack, b'{"boot":"b","refused":[{"seq":-1,"reason":""}]}', id="negative seq"),
    ],
)
def test_nobody_can_break_a_reader(kind: type[Message], payload: bytes) -> None:
    with pytest.raises(WireError):
        decode(payload, kind)


@pytest.mark.parametrize("ttl_s", [1e308, -1e308, 0.0])
def test_any_time_to_live_can_be_judged(ttl_s: float) -> None:
    command = decode(f'{{"id":"x","issued_ns":5,"ttl_s":{ttl_s}}}'.encode(), Command)
    assert command.expired(10**18) is (ttl_s < 1e9)


def test_a_command_expires() -> None:
    command = Command(id="x", issued_ns=10**18, ttl_s=2.5)
    assert not command.expired(10**18 + 2_500_000_000)
    assert command.expired(10**18 + 2_500_000_001)
    assert Command.new({}, 1.0).id != Command.new({}, 1.0).id


@given(st.lists(st.integers(1, 60)))
def test_ranges_hold_exactly_the_numbers(numbers: list[int]) -> None:
    runs = ranges(numbers)
    assert sorted(set(numbers)) == [n for first, last in runs for n in range(first, last + 1)]
    assert all(b[0] > a[1] + 1 for a, b in pairwise(runs)), "runs that touch are one"
