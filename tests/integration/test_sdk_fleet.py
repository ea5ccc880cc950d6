"""The Fleet client against a real broker and a real agent: it sees all nodes, and its commands come back."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeagent_sdk import Broker, Fleet, Identity, Publisher
from edgeagent_sdk.batch import Header
from edgeagent_sdk.errors import BrokerError, CommandTimeout, NameInvalid
from edgeagent_sdk.messages import Command, Event, Outcome, Reply, State, Status, decode
from edgeagent_sdk.mqtt import Session
from edgeagent_sdk.topics import topic
from tests.authority import Authority
from tests.proxy import tcp_proxy
from tests.services import Service, free_port, mosquitto, spawn, wait_until

N1, N2 = Identity("lab", "n1"), Identity("lab", "n2")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Service]:
    with mosquitto(tmp_path) as service:
        yield service


@pytest.fixture
def peer(broker: Service) -> Iterator[Session]:
    """Somebody else at the broker, who says what nodes say."""
    session = Session(Broker(url=broker.url), "peer")
    session.connect_or_raise()
    yield session
    session.stop()


@pytest.fixture
def agent(broker: Service, tmp_path: Path) -> Iterator[Service]:
    """A real agent that measures itself."""
    config = tmp_path / "agent.toml"
    config.write_text(
        f'site = "lab"\nnode = "n1"\nstate_dir = "{tmp_path}/state"\n'
        f'[broker]\nurl = "{broker.url}"\n[agent]\ninterval_s = 0.2\n'
    )
    with spawn(
        [sys.executable, "-m", "edgeagent.daemon", "--config", str(config)], tmp_path, name="agent"
    ) as service:
        yield service


def _online(fleet: Fleet, who: Identity = N1) -> bool:
    node = fleet.nodes().get(who)
    return bool(node and node.describe and node.state and node.state.status is Status.ONLINE)


def test_an_agent_is_seen_and_obeys(broker: Service, agent: Service) -> None:
    with Fleet(broker.url, data=True) as fleet:
        wait_until(lambda: _online(fleet), "the agent is online", 20)
        reply = fleet.command("lab", "n1", "ping", ttl_s=5)
        assert reply.outcome is Outcome.APPLIED and reply.holds["instance"]
        wait_until(lambda: bool(fleet.nodes()[N1].latest), "its readings", 10)
        node = fleet.nodes()[N1]
        assert node.header is not None and node.state is not None and node.describe is not None
        assert node.header.instance == node.state.instance == node.describe.instance
        known = {(c.quantity, c.device, c.channel) for c in node.describe.channels}
        assert node.latest.keys() <= known and ("size", "agent", "memory") in known
        read = fleet.command("lab", "n1", "read", {"device": "agent"}).holds["channels"]
        assert {(row["quantity"], row["device"], row["channel"]) for row in read} == known
        assert fleet.command("lab", "n1", "dance").outcome is Outcome.REFUSED
        refused = fleet.command("lab", "n1", "read", {"device": "nobody"})
        assert refused.outcome is Outcome.REFUSED and "no device 'nobody'" in refused.why


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_an_agent_that_leaves_is_offline(broker: Service, agent: Service, how: int) -> None:
    """It says goodbye, or the broker says it in its place; who comes later hears it too."""
    with Fleet(broker.url) as fleet:
        wait_until(lambda: _online(fleet), "the agent is online", 20)
        agent.signal(how)
        wait_until(lambda: not _online(fleet), "it is offline", 10)
    with Fleet(broker.url) as late:
        wait_until(lambda: N1 in late.nodes() and late.nodes()[N1].describe is not None, "retained", 5)
        wait_until(lambda: late.nodes()[N1].state is not None, "retained", 5)
        assert not _online(late)


def test_no_reply_is_a_timeout(broker: Service) -> None:
    with Fleet(broker.url) as fleet:
        begun = time.monotonic()
        with pytest.raises(CommandTimeout) as caught:
            fleet.command("lab", "n1", "ping", ttl_s=0.3)
        assert 0.3 <= time.monotonic() - begun < 2
        assert str(caught.value) == "ping to lab/n1: no reply within 0.3 s; is the node online?"
        with pytest.raises(NameInvalid, match="node 'N 1'"):
            fleet.command("lab", "N 1", "ping")


def test_an_order_that_waited_too_long_is_not_carried_out(broker: Service, agent: Service) -> None:
    """The agent stands still while the order's time passes; then it says so instead of obeying."""
    heard: list[Reply] = []
    with Fleet(broker.url) as fleet:
        wait_until(lambda: _online(fleet), "the agent is online", 20)
        agent.pause()
        threading.Thread(target=_collect_replies, args=(fleet, heard), daemon=True).start()
        with pytest.raises(CommandTimeout):
            fleet.command("lab", "n1", "ping", ttl_s=1.0)
        agent.resume()
        wait_until(lambda: bool(heard), "its reply", 10)
    assert [reply.outcome for reply in heard] == [Outcome.EXPIRED]


def _collect_replies(fleet: Fleet, heard: list[Reply]) -> None:
    heard.extend(update for _, update in fleet.watch(5.0) if isinstance(update, Reply))


def test_commands_from_several_threads_get_their_own_replies(broker: Service, peer: Session) -> None:
    """Replies come in another order than the orders."""
    waiting: list[Command] = []
    node = Session(
        Broker(url=broker.url),
        "node",
        on_connect=lambda session: session.subscribe(topic(N1, "cmd", "+")),
        on_message=lambda message: waiting.append(decode(bytes(message.payload), Command)),
    )
    node.connect_or_raise()
    replies: dict[int, Reply] = {}
    with Fleet(broker.url) as fleet:

        def order(i: int) -> None:
            replies[i] = fleet.command("lab", "n1", "set", {"i": i}, ttl_s=10)

        threads = [threading.Thread(target=order, args=(i,)) for i in range(20)]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(waiting) == 20, "all orders", 10)
        peer.publish(
            topic(N1, "reply"), Reply(id="a stranger's", outcome=Outcome.APPLIED, time_ns=1).encode()
        )
        for command in reversed(waiting):
            answer = Reply(id=command.id, outcome=Outcome.APPLIED, time_ns=1, holds=command.body)
            peer.publish(topic(N1, "reply"), answer.encode())
        for thread in threads:
            thread.join(10)
    node.stop()
    assert {i: reply.holds["i"] for i, reply in replies.items()} == {i: i for i in range(20)}


def test_watch_gives_what_happens_and_ends(broker: Service, peer: Session) -> None:
    seen: list[object] = []
    with Fleet(broker.url, data=True) as fleet:
        ended = threading.Event()

        def follow() -> None:
            seen.extend(update for _, update in fleet.watch())
            ended.set()

        threading.Thread(target=follow, daemon=True).start()
        assert list(fleet.watch(0.3)) == [], "silence ends it"
        peer.publish(topic(N1, "state"), State(status=Status.ONLINE, since_ns=5).encode(), retain=True)
        peer.publish(topic(N1, "event"), Event(kind="test", message="ü", time_ns=7).encode())
        with Publisher(broker.url, site="lab", node="n2") as publisher:
            publisher.put("power", device="psu0", channel="in", value=1.5)
        wait_until(lambda: len(fleet.nodes()) == 2 and bool(fleet.nodes()[N2].latest), "n2")
    assert ended.wait(5), "close ends it"
    assert [type(update) for update in seen] == [State, Event, Header]
    assert fleet.nodes()[N2].latest["power", "psu0", "in"].value == 1.5


def test_garbage_is_counted_and_hurts_nobody(broker: Service, peer: Session) -> None:
    with Fleet(broker.url, data=True) as fleet:
        time.sleep(0.3)  # the broker has its subscriptions
        garbage = [b"\xff\xfe", b"{", b"[]", b'{"status":"maybe","since_ns":1}', b"[" * 5000]
        for kind in ("state", "describe", "event", "reply", "data"):
            for payload in garbage:
                peer.publish(topic(N1, kind), payload)
        peer.publish("edge/v1/UPPER/case/state", State(status=Status.ONLINE, since_ns=1).encode())
        peer.publish(topic(N1, "state"), State(status=Status.ONLINE, since_ns=1).encode(), retain=True)
        wait_until(lambda: N1 in fleet.nodes() and fleet.nodes()[N1].state is not None, "the good one")
        assert fleet.malformed == 5 * len(garbage) + 1
        peer.publish(topic(N1, "state"), b"", retain=True)  # cleared: no message
        time.sleep(0.2)
        assert fleet.malformed == 5 * len(garbage) + 1


def test_a_fleet_comes_back_with_its_broker(broker: Service) -> None:
    with Fleet(broker.url, data=True) as fleet:
        broker.kill()
        with pytest.raises(BrokerError, match=r"ping to lab/n1: not sent; broker .*connection lost"):
            wait_until(lambda: not fleet._session.connected.is_set(), "it notices", 5)
            fleet.command("lab", "n1", "ping")
        broker.start()
        wait_until(lambda: fleet._session.generation == 2, "it is back", 20)
        with Publisher(broker.url, site="lab", node="n2") as publisher:
            publisher.put("power", device="psu0", channel="in", value=1.5)
        wait_until(lambda: N2 in fleet.nodes(), "n2", 5)


def test_a_fleet_over_a_half_open_connection(broker: Service, peer: Session) -> None:
    with tcp_proxy(broker.port) as road:
        settings = Broker(url=f"mqtt://127.0.0.1:{road.port}", keepalive_s=5)
        with Fleet(settings) as fleet:
            road.swallow.set()
            peer.publish(topic(N1, "state"), State(status=Status.ONLINE, since_ns=1).encode(), retain=True)
            wait_until(lambda: not fleet._session.connected.is_set(), "the keepalive finds out", 30)
            assert not fleet.nodes()
            road.swallow.clear()
            wait_until(lambda: N1 in fleet.nodes(), "what was missed is there, for it is retained", 30)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Authority]]:
    """A broker with TLS that lets nobody in without a password."""
    home = tmp_path_factory.mktemp("guarded")
    authority = Authority(home)
    cert, key = authority.issue("broker", "IP:127.0.0.1")
    extra = f"allow_anonymous false\npassword_file {home}/passwords\ncertfile {cert}\nkeyfile {key}"
    (home / "passwords").touch(0o600)
    with mosquitto(home, config_extra=extra) as service:
        yield service, authority


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "refuses us: not authorized; check broker.username"),
        ({"username": "me", "password": "wrong"}, "refuses us: not authorized; check broker.username"),
        ({"ca": ""}, "its certificate does not verify"),
        ({"url": "mqtts://localhost:{port}"}, "Hostname mismatch"),
    ],
)
def test_a_broker_that_refuses_is_told_at_once(
    guarded: tuple[Service, Authority], settings: dict[str, str], said: str
) -> None:
    service, authority = guarded
    keys = {"url": "mqtts://127.0.0.1:{port}", "ca": str(authority.ca)} | settings
    keys["url"] = keys["url"].format(port=service.port)
    begun = time.monotonic()
    with pytest.raises(BrokerError) as caught:
        Fleet(Broker(**keys))  # type: ignore[arg-type]
    assert said in str(caught.value) and "\n" not in str(caught.value)
    assert time.monotonic() - begun < 5


def test_a_broker_that_is_not_there_is_waited_for(tmp_path: Path) -> None:
    port = free_port()
    started = threading.Timer(1.0, lambda: late.start())
    with mosquitto(tmp_path, port=port) as late:
        late.stop()
        started.start()
        with Fleet(f"mqtt://127.0.0.1:{port}"):
            pass


def test_commands_sent_without_waiting_are_answered_or_forgotten(broker: Service, peer: Session) -> None:
    waiting: list[Command] = []
    node = Session(
        Broker(url=broker.url),
        "node",
        on_connect=lambda session: session.subscribe(topic(N1, "cmd", "+")),
        on_message=lambda message: waiting.append(decode(bytes(message.payload), Command)),
    )
    node.connect_or_raise()
    with Fleet(broker.url) as fleet:
        futures = [fleet.send("lab", "n1", "set", {"i": i}, qos=i % 2, issued_ns=7) for i in range(10)]
        wait_until(lambda: len(waiting) == 10, "all orders", 10)
        assert {command.issued_ns for command in waiting} == {7}
        for command in waiting[1:]:
            answer = Reply(id=command.id, outcome=Outcome.APPLIED, time_ns=1, holds=command.body)
            peer.publish(topic(N1, "reply"), answer.encode())
        silent = waiting[0].body["i"]
        for i, future in enumerate(futures):
            if i != silent:
                assert future.result(10).holds == {"i": i}
        assert not futures[silent].done() and len(fleet._replies) == 1
        futures[silent].cancel()
        assert not fleet._replies, "nothing is kept of what nobody waits for"
        late = Reply(id=waiting[0].id, outcome=Outcome.APPLIED, time_ns=1)
        peer.publish(topic(N1, "reply"), late.encode())
        assert fleet.trouble == ""
    node.stop()
    with Fleet(broker.url) as fleet:
        broker.kill()
        wait_until(lambda: "connection lost" in fleet.trouble, "it is told", 5)
        with pytest.raises(BrokerError, match="not sent"):
            fleet.send("lab", "n1", "set", qos=0)
        assert not fleet._replies
        broker.start()
