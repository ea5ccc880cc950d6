"""The aggregator as a process, between a real Mosquitto and a real InfluxDB."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from edgeagent_sdk.batch import Header, encode_header
from edgeagent_sdk.errors import WireError
from edgeagent_sdk.messages import Ack, State, Status, decode
from edgeagent_sdk.names import Identity
from tests.fakeclock import FakeClock
from tests.services import (
    DATABASE,
    Service,
    Store,
    free_port,
    influxd,
    listens,
    mosquitto,
    need,
    spawn,
    wait_until,
)

SITE = "s1"


class Loop:
    """Broker, store and one aggregator, and a client that speaks as any node."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self.directory, self.stack = directory, stack
        self.broker = stack.enter_context(mosquitto(directory))
        self.store: Store = stack.enter_context(influxd(directory))
        self.aggregator = self.replica("first")
        self.acks: list[tuple[str, Ack]] = []
        self.client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311)
        self.client.on_message = self._heard
        self.client.connect("127.0.0.1", self.broker.port)
        self.client.subscribe("edge/v1/+/+/ack", 1)
        self.client.loop_start()
        stack.callback(self.client.loop_stop)

    def replica(
        self,
        name: str,
        group: str = "edgeagent",
        *,
        persistent: bool = True,
        clock: FakeClock | None = None,
    ) -> Service:
        port = free_port()
        home = self.directory / name
        home.mkdir()
        command = [
            sys.executable,
            "-m",
            "edgeagent",
            "aggregate",
            "--broker",
            self.broker.url,
            "--replica",
            name,
        ]
        command += ["--store", "influx1", "--store-url", self.store.url, "--listen", f"127.0.0.1:{port}"]
        config = home / "central.toml"
        config.write_text(
            f'group = "{group}"\npersistent = {str(persistent).lower()}\n'
            f'[store]\nkind = "influx1"\ndatabase = "{DATABASE}"\n'
        )
        command += ["--state-dir", str(home), "--config", str(config)]
        service = Service(
            command,
            home,
            name=name,
            port=port,
            ready=lambda: listens(port) and (clock is not None or self.healthy(port)),
            environment=clock.environment if clock else None,
        )
        self.stack.callback(service.stop)
        return service.start()

    @staticmethod
    def healthy(port: int) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5):
                return True
        except urllib.error.URLError:
            return False

    def illness(self) -> str:
        """What /healthz complains of, with 503; empty if it is well."""
        try:
            self.get("/healthz")
        except urllib.error.HTTPError as error:
            assert error.code == 503
            return str(json.loads(error.read())["reason"])
        return ""

    def _heard(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        with contextlib.suppress(WireError):  # some tests send such ones
            self.acks.append((message.topic.split("/")[3], decode(bytes(message.payload), Ack)))

    def send(self, node: str, payload: bytes, kind: str = "data", *, retain: bool = False) -> None:
        self.client.publish(f"edge/v1/{SITE}/{node}/{kind}", payload, qos=1, retain=retain).wait_for_publish(
            10
        )

    def acked(self, node: str) -> set[int]:
        return {
            seq
            for who, ack in list(self.acks)
            if who == node
            for first, last in ack.stored
            for seq in range(first, last + 1)
        }

    def get(self, path: str, port: int = 0) -> Any:
        url = f"http://127.0.0.1:{port or self.aggregator.port}{path}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            body = answer.read()
        return json.loads(body) if body[:1] in (b"{", b"[") else body.decode()

    def metric(self, name: str) -> float:
        lines = str(self.get("/metrics")).splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(f"edgeagent_{name}"))

    def dead_letters(self) -> list[dict[str, str]]:
        file = self.directory / "first" / "dead-letters.jsonl"
        return [json.loads(line) for line in file.open()] if file.exists() else []

    def values(self, node: str) -> list[float]:
        return [row["value"] for row in self.store.query(f"SELECT value FROM power WHERE node = '{node}'")]


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    """One loop for all cases; each uses a node of its own."""
    with ExitStack() as stack:
        yield Loop(tmp_path_factory.mktemp("loop"), stack)


def line(node: str, value: float, offset_ns: int = 0, *, site: str = SITE, quantity: str = "power") -> bytes:
    stamp = time.time_ns() + offset_ns
    return f"{quantity},channel=in,device=psu0,node={node},site={site} value={value} {stamp}\n".encode()


def batch(node: str, seq: int, *lines: bytes, readings: int | None = None, **more: Any) -> bytes:
    count = len(lines) if readings is None else readings
    header = Header(Identity(SITE, node), "b00t", seq, count, "synced", time.time_ns(), **more)
    return encode_header(header).encode() + b"".join(lines)


def test_a_batch_is_stored_and_then_acknowledged(loop: Loop) -> None:
    loop.send("plain", batch("plain", 1, line("plain", 1.0), line("plain", 2.0, 1)))
    wait_until(lambda: loop.acked("plain") == {1}, "acknowledged")
    assert loop.values("plain") == [1.0, 2.0]


def test_a_thinned_batch_is_acknowledged_for_all_that_it_stands_for(loop: Loop) -> None:
    loop.send("thinned", batch("thinned", 10, line("thinned", 1.0), merged=9, thinned=90))
    wait_until(lambda: loop.acked("thinned") == set(range(1, 11)), "acknowledged")


YEAR_NS = 365 * 86400 * 10**9

BAD = {
    "not UTF-8": (b"\xff\xfe\n", "not UTF-8"),
    "NaN": (
        b"power,channel=in,device=psu0,node=NODE,site=s1 value=nan 1790000000000000000\n",
        "finite float",
    ),
    "infinite": (
        b"power,channel=in,device=psu0,node=NODE,site=s1 value=inf 1790000000000000000\n",
        "finite float",
    ),
    "another node": (line("somebody", 1.0), "a node speaks for itself only"),
    "another site": (line("NODE", 1.0, site="elsewhere"), "a node speaks for itself only"),
    "unknown quantity": (line("NODE", 1.0, quantity="powr"), "unknown quantity 'powr'"),
    "a year ahead": (line("NODE", 1.0, YEAR_NS), "too far from now"),
    "a year ago": (line("NODE", 1.0, -YEAR_NS), "too far from now"),
    "garbage": (b"\x00\x01\x02\x03\n", "two blanks"),
}


@pytest.mark.parametrize(("name", "case"), BAD.items(), ids=BAD)
def test_a_bad_line_is_a_dead_letter_and_its_neighbours_are_stored(
    loop: Loop, name: str, case: tuple[bytes, str]
) -> None:
    node = "bad-" + name.lower().replace(" ", "-")
    bad, reason = case
    loop.send(node, batch(node, 1, line(node, 1.0), bad.replace(b"NODE", node.encode()), line(node, 2.0, 1)))
    wait_until(lambda: loop.acked(node) == {1}, "acknowledged")
    assert loop.values(node) == [1.0, 2.0]
    (letter,) = [row for row in loop.dead_letters() if row["node"] == node]
    assert reason in letter["reason"]


def test_an_oversized_payload_is_dropped_and_counted(loop: Loop) -> None:
    before = loop.metric("dead_letters_total")
    loop.send("large", b"x" * ((1 << 20) + 1))
    wait_until(
        lambda: any("the limit is 1048576" in row["reason"] for row in loop.dead_letters()), "dead-lettered"
    )
    assert loop.metric("dead_letters_total") > before


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("state", b"\xff"),
        ("state", b'{"status":"sleeping","since_ns":1}'),
        ("state", b'{"status":"online","since_ns":1e999}'),
        ("describe", b"[" * 200_000),
        ("describe", b'{"boot":"' + b"x" * (5 << 20) + b'","instance":"i","channels":[]}'),
        ("ack", b'{"boot":"b","stored":[[1,99999999999999999999999]]}'),
        ("ack", b"null"),
    ],
)
def test_a_message_that_is_none_is_counted_and_harms_nobody(loop: Loop, kind: str, payload: bytes) -> None:
    before = loop.metric("messages_malformed_total")
    loop.client.publish(f"edge/v1/{SITE}/odd/{kind}", payload, qos=1)
    wait_until(lambda: loop.metric("messages_malformed_total") > before, "counted")
    assert "odd" not in {row["node"] for row in loop.get("/v1/nodes")}
    assert loop.aggregator.running


def test_a_truncated_batch_is_asked_for_again_and_in_the_end_refused(loop: Loop) -> None:
    payload = batch("cut", 1, line("cut", 1.0), line("cut", 2.0, 1), readings=3)
    loop.send("cut", payload)
    wait_until(lambda: loop.values("cut") == [1.0, 2.0], "the good lines are stored")
    time.sleep(0.3)
    assert loop.acked("cut") == set()
    loop.send("cut", payload)
    loop.send("cut", payload)
    wait_until(lambda: any(who == "cut" and ack.refused for who, ack in loop.acks), "refused")
    loop.send("cut", batch("cut", 1, line("cut", 1.0), line("cut", 2.0, 1), line("cut", 3.0, 2)))
    wait_until(lambda: loop.acked("cut") == {1}, "the whole one is taken")


def test_ten_megabytes_of_garbage_a_second_hold_nobody_up(loop: Loop) -> None:
    """One client floods for five seconds; another's batches are stored at their usual pace."""
    ended = threading.Event()
    sent = [0]

    def flood() -> None:
        client = paho.Client(CallbackAPIVersion.VERSION2)
        client.max_queued_messages_set(50)
        client.connect("127.0.0.1", loop.broker.port)
        client.loop_start()
        garbage = b"\x00garbage \xff\n" * 8000
        begun = time.monotonic()
        while not ended.is_set():
            client.publish(f"edge/v1/{SITE}/flood/data", garbage, qos=0)
            sent[0] += len(garbage)
            time.sleep(max(0.0, sent[0] / 10e6 - (time.monotonic() - begun)))
        client.disconnect()
        client.loop_stop()

    flooder = threading.Thread(target=flood)
    flooder.start()
    try:
        for seq in range(1, 11):
            loop.send("calm", batch("calm", seq, line("calm", float(seq))))
            time.sleep(0.5)
        wait_until(lambda: loop.acked("calm") == set(range(1, 11)), "the calm node's batches", 10)
    finally:
        ended.set()
        flooder.join()
    assert sent[0] > 40e6, "there was no flood"
    assert loop.values("calm") == [float(i) for i in range(1, 11)]
    assert "flood" not in {row["node"] for row in loop.get("/v1/nodes")}, "garbage makes no node"
    size = (loop.directory / "first" / "dead-letters.jsonl").stat().st_size
    assert size < 40 << 20, "garbage must not fill the disk"


def test_a_second_agent_of_one_name_is_not_merged(loop: Loop) -> None:
    online = State(status=Status.ONLINE, since_ns=time.time_ns(), instance="first")
    loop.send("twin", online.encode(), "state", retain=True)
    loop.send("twin", batch("twin", 1, line("twin", 1.0), instance="first"))
    wait_until(lambda: loop.values("twin") == [1.0], "the first one's batch")
    loop.send("twin", batch("twin", 1, line("twin", 9.0), instance="second"))
    wait_until(lambda: loop.metric("batches_rival_total") >= 1, "counted")
    assert loop.values("twin") == [1.0]
    gone = State(status=Status.OFFLINE, since_ns=time.time_ns(), instance="first")
    loop.send("twin", gone.encode(), "state", retain=True)
    time.sleep(0.3)
    loop.send("twin", batch("twin", 2, line("twin", 9.0), instance="second"))
    wait_until(lambda: loop.values("twin") == [1.0, 9.0], "it is alone now")


def test_the_store_away_and_back(loop: Loop) -> None:
    loop.store.kill()
    for seq in range(1, 30):
        loop.send("patient", batch("patient", seq, line("patient", float(seq))))
    wait_until(lambda: "nothing listens there" in loop.illness(), "unhealthy")
    assert loop.acked("patient") == set()
    loop.store.start()
    wait_until(lambda: loop.acked("patient") == set(range(1, 30)), "acknowledged", 30)
    assert len(loop.values("patient")) == 29
    assert loop.healthy(loop.aggregator.port)


def test_an_aggregator_killed_with_batches_in_its_hands(loop: Loop) -> None:
    loop.store.pause()
    for seq in range(1, 20):
        loop.send("killed", batch("killed", seq, line("killed", float(seq))))
    time.sleep(0.3)
    loop.aggregator.kill()
    loop.store.resume()
    loop.aggregator.start()
    wait_until(lambda: loop.acked("killed") == set(range(1, 20)), "acknowledged", 30)
    assert sorted(loop.values("killed")) == [float(i) for i in range(1, 20)]


def test_replicas_split_the_load_and_know_of_each_other(loop: Loop) -> None:
    pair = [loop.replica(name, "pair") for name in ("one", "two")]
    for seq in range(1, 101):
        loop.send("split", batch("split", seq, line("split", float(seq))))

    def rows() -> list[dict[str, Any]]:
        nodes = [row for replica in pair for row in loop.get("/v1/nodes", replica.port)]
        return [row for row in nodes if row["node"] == "split"]

    wait_until(lambda: sum(row["batches"] for row in rows()) == 100, "stored, each by one of the two")
    assert all(10 < row["batches"] < 90 for row in rows())
    wait_until(lambda: all(row["gaps"] == 0 for row in rows()), "what the other has stored is no gap")
    assert [replica.stop() for replica in pair] == [0, 0]


@pytest.mark.parametrize("end", [Service.kill, Service.stop])
def test_a_replica_that_ends_leaves_its_share_to_the_others(
    loop: Loop, end: Callable[[Service], Any]
) -> None:
    name = f"left-{end.__name__}"
    stays, goes = (loop.replica(f"{name}-{i}", name, persistent=False) for i in range(2))
    loop.aggregator.stop()
    try:
        loop.send(name, batch(name, 1, line(name, 1.0)))
        wait_until(lambda: loop.acked(name) == {1}, "acknowledged")
        end(goes)
        for seq in range(2, 42):
            loop.send(name, batch(name, seq, line(name, float(seq))))
        wait_until(lambda: loop.acked(name) == set(range(1, 42)), "all go to the one that is left")
    finally:
        loop.aggregator.start()
        stays.stop()


def test_an_aggregator_whose_clock_is_not_set_takes_nothing_until_it_is(loop: Loop, tmp_path: Path) -> None:
    """By its clock every batch is of another year: to refuse them would make the agents let go of them."""
    clock = FakeClock(tmp_path, -int(time.time()) + 1000)
    replica = loop.replica("timeless", "timeless", clock=clock)
    time.sleep(1.0)
    loop.send("timely", batch("timely", 1, line("timely", 1.0)))
    with pytest.raises(urllib.error.HTTPError) as error:
        loop.get("/healthz", replica.port)
    assert "clock is not set" in error.value.read().decode()
    time.sleep(0.5)
    assert not any(ack.refused for who, ack in loop.acks if who == "timely")
    clock.set(0)

    def taken() -> int:
        rows = loop.get("/v1/nodes", replica.port)
        return sum(row["batches"] for row in rows if row["node"] == "timely")

    wait_until(lambda: taken() == 1, "the batch that waited with the broker", 15)
    assert loop.healthy(replica.port)
    assert replica.stop() == 0


def test_the_api(loop: Loop) -> None:
    loop.send("seen", batch("seen", 5, line("seen", 5.0)))
    loop.send("seen", batch("seen", 8, line("seen", 8.0)))
    wait_until(lambda: loop.acked("seen") == {5, 8}, "acknowledged")
    (row,) = [row for row in loop.get("/v1/nodes") if row["node"] == "seen"]
    assert {
        key: row[key] for key in ("site", "readings", "batches", "gaps", "missing", "channels", "boot")
    } == {
        "site": SITE,
        "readings": 2,
        "batches": 2,
        "gaps": 1,
        "missing": 2,
        "channels": 1,
        "boot": "b00t",
    }
    assert 0 <= row["age_s"] < 10
    detail = loop.get(f"/v1/nodes/{SITE}/seen")
    assert [(v["quantity"], v["channel"], v["value"], v["unit"]) for v in detail["latest"]] == [
        ("power", "in", 8.0, "W")
    ]
    (series,) = loop.get("/v1/series?node=seen&quantity=power")
    assert [value for _, value in series["points"]] == [5.0, 8.0]
    assert loop.get("/v1/series?node=nobody") == []
    assert "openapi" in loop.get("/openapi.json")
    page = str(loop.get("/docs"))
    assert "https://" not in page.replace("https://fastapi", ""), "the page must work without the internet"


@pytest.mark.parametrize(
    ("path", "code", "words"),
    [
        ("/v1/nodes/s1/nobody", 404, "no node s1/nobody was heard of"),
        ("/v1/series?start=10&end=5", 422, "start 10.0 is not before end 5.0"),
        ("/v1/series?step=-1", 422, "greater than or equal to 0"),
        ("/v1/series?step=nan", 422, "less than or equal to"),
        ("/v1/series?step=1e300", 422, "less than or equal to"),
        ("/v1/series?start=0&step=0.001", 422, "more than 100000 steps"),
        ("/v1/series?end=inf", 422, "less than or equal to"),
        ("/v1/series?start=-1", 422, "greater than or equal to 0"),
        ("/v1/series?start=noon", 422, "valid number"),
        ("/v1/series?quantity=powr&step=10", 422, "unknown quantity 'powr'"),
    ],
)
def test_bad_requests(loop: Loop, path: str, code: int, words: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as error:
        loop.get(path)
    assert error.value.code == code
    assert words in error.value.read().decode()


def test_a_subscription_that_the_broker_refuses_is_no_good_health(tmp_path: Path) -> None:
    """Its users have rights of their own here, and ours has none on our topics."""
    rights, port = tmp_path / "rights.json", free_port()
    subprocess.run(
        [need("mosquitto_ctrl", "mosquitto"), "dynsec", "init", rights, "us", "secret"], check=True
    )
    known = json.loads(rights.read_text())
    known["clients"][0]["roles"] = []
    rights.write_text(json.dumps(known))
    library = next(Path("/usr/lib").glob("*/mosquitto_dynamic_security.so"))
    extra = f"plugin {library}\nplugin_opt_config_file {rights}\n"
    with mosquitto(tmp_path, config_extra=extra) as broker:
        command = [sys.executable, "-m", "edgeagent", "aggregate", "--listen", f"127.0.0.1:{port}"]
        command += ["--broker", broker.url.replace("://", "://us:secret@"), "--state-dir", str(tmp_path)]
        command += ["--store", "sqlite", "--store-path", str(tmp_path / "store.db")]
        with spawn(command, tmp_path, name="aggregator", port=port) as service:
            words = "does not let us subscribe to $share/edgeagent/edge/v1/+/+/data; check its access rules"
            wait_until(lambda: words in service.log.read_text(), "said in the log")
            with pytest.raises(urllib.error.HTTPError) as error:
                urllib.request.urlopen(f"{service.url}/healthz")
            assert error.value.code == 503 and "does not let us" in error.value.read().decode()


def test_it_stops_in_time_though_neither_store_nor_readers_get_an_answer(loop: Loop) -> None:
    loop.store.pause()
    try:
        loop.send("stuck", batch("stuck", 1, line("stuck", 1.0)))

        def read() -> None:
            with contextlib.suppress(OSError):
                loop.get("/v1/series")

        reader = threading.Thread(target=read)
        reader.start()
        wait_until(lambda: "has not answered a write for" in loop.illness(), "unhealthy")
        begun = time.monotonic()
        assert loop.aggregator.stop() == 0
        assert time.monotonic() - begun < 5
        reader.join()
    finally:
        loop.store.resume()
        loop.aggregator.start()
    wait_until(lambda: loop.acked("stuck") == {1}, "taken up again by the next one")


def test_it_stops_cleanly_within_five_seconds(loop: Loop) -> None:
    begun = time.monotonic()
    assert loop.aggregator.stop() == 0
    assert time.monotonic() - begun < 5
    assert "Traceback" not in loop.aggregator.log.read_text()
