"""Push readings from any program, in five lines::

with Publisher("mqtt://127.0.0.1", site="lab", node="bench1") as publisher:
    while True:
        publisher.put("power", device="psu0", channel="in", value=meter.watts())
        time.sleep(1)
"""

from __future__ import annotations

import queue
import threading
import time
import uuid
from types import TracebackType

from edgeagent_sdk.batch import PAYLOAD_MAX_BYTES, Header, encode_header
from edgeagent_sdk.errors import BrokerError
from edgeagent_sdk.lineproto import encode, head
from edgeagent_sdk.mqtt import Broker, Session
from edgeagent_sdk.names import Identity, check_name
from edgeagent_sdk.quantities import quantity
from edgeagent_sdk.topics import PREFIX, topic

_PENDING_MAX_BYTES = 16 << 20
_BATCH_MAX_BYTES = PAYLOAD_MAX_BYTES // 4


class Publisher:
    """A node without an agent: batches readings and publishes them, at least once, QoS 1.

    Readings wait in memory, up to 16 MiB, until the broker has them; a program that must not lose
    any through its own crash runs beside an agent instead.

    Args:
        broker: URL or full settings.
        site, node: who publishes; no agent may have the same name.
        interval_s: how often a batch is sent.

    Raises:
        BrokerError: the settings cannot be used, or (on `close`) readings did not reach the broker.
    """

    def __init__(
        self, broker: str | Broker, *, site: str, node: str, interval_s: float = 1.0, prefix: str = PREFIX
    ) -> None:
        self.identity = Identity(check_name(site, "site"), check_name(node, "node"))
        self.boot = uuid.uuid4().hex[:16]
        self._topic = topic(self.identity, "data", prefix=prefix)
        self._interval_s = interval_s
        self._lock = threading.Lock()  # never held while the MQTT client is called: it has one of its own
        self._lines: list[str] = []
        self._bytes = 0
        self._heads: dict[tuple[str, str, str], str] = {}
        self._waiting: dict[int, bytes] = {}  # seq → payload the broker does not hold yet
        self._sent: dict[int, int] = {}  # message id → seq
        self._landed: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._seq = 0
        self._wake = threading.Event()
        self._flushes_asked = self._flushes_done = 0
        self._closing = False
        self._session = Session(
            settings(broker),
            f"edge-pub-{site}-{node}-{self.boot[:8]}",
            on_connect=lambda session: self._wake.set(),
            on_published=self._published,
        )
        self._session.start()
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self._thread.start()

    def put(
        self, quantity_name: str, *, device: str, channel: str, value: float, time_ns: int | None = None
    ) -> None:
        """Hand over one reading, stamped now unless `time_ns` (UTC) says otherwise. Never blocks.

        Raises:
            NameInvalid, WireError: a name the wire cannot carry, an unknown quantity.
            ValueError: the value is not finite; a sensor that has none reports none.
            BrokerError: 16 MiB wait already; the broker has been away for too long.
        """
        value = float(value)
        if value - value != 0.0:
            raise ValueError(f"{device}/{channel}: {value} is not a reading")
        key = (quantity_name, device, channel)
        prefix = self._heads.get(key)
        if prefix is None:
            quantity(quantity_name)
            prefix = head(
                quantity_name, check_name(channel, "channel"), check_name(device, "device"), self.identity
            )
            self._heads[key] = prefix
        line = encode((prefix,), (value,), time.time_ns() if time_ns is None else time_ns)
        with self._lock:
            if self._bytes > _PENDING_MAX_BYTES:
                raise BrokerError(
                    f"16 MiB of readings wait for the broker: {self._session.trouble or 'no answer'}"
                )
            self._lines.append(line)
            self._bytes += len(line)

    def flush(self, timeout_s: float = 10.0) -> None:
        """Send what waits and return once the broker holds it. Raises BrokerError otherwise."""
        deadline = time.monotonic() + timeout_s
        with self._lock:
            self._flushes_asked += 1
            mine = self._flushes_asked
        self._wake.set()
        while self._flushes_done < mine or self._waiting:
            if time.monotonic() > deadline:
                raise BrokerError(
                    f"{len(self._waiting)} batches did not reach the broker within {timeout_s:g} s: "
                    f"{self._session.trouble or 'no answer'}"
                )
            time.sleep(0.01)

    def close(self, timeout_s: float = 10.0) -> None:
        """`flush`, then disconnect. May be called twice."""
        if self._closing:
            return
        try:
            self.flush(timeout_s)
        finally:
            self._closing = True
            self._wake.set()
            self._thread.join()
            self._session.stop()

    def __enter__(self) -> Publisher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        """The thread that owns the batches and alone calls the MQTT client."""
        due = time.monotonic() + self._interval_s
        while not self._closing:
            self._wake.wait(max(0.0, due - time.monotonic()))
            self._wake.clear()
            self._settle()
            asked, now = self._flushes_asked, time.monotonic()
            if asked > self._flushes_done or now >= due:
                due = now + self._interval_s
                self._pack()
            self._flushes_done = asked
            self._send()

    def _published(self, mid: int) -> None:
        # In the MQTT client's thread, which holds a lock of its own that publishing takes: only note it.
        self._landed.put(mid)
        self._wake.set()

    def _settle(self) -> None:
        """Let go of what the broker holds now."""
        while not self._landed.empty():
            seq = self._sent.pop(self._landed.get(), None)
            payload = self._waiting.pop(seq, b"") if seq is not None else b""
            with self._lock:
                self._bytes -= len(payload)

    def _pack(self) -> None:
        """Put the readings of late into batches."""
        with self._lock:
            lines, self._lines = self._lines, []
        size = start = 0
        for end, line in enumerate(lines, 1):
            size += len(line)
            if size > _BATCH_MAX_BYTES or end == len(lines):
                self._queue(lines[start:end])
                size, start = 0, end

    def _queue(self, lines: list[str]) -> None:
        self._seq += 1
        header = encode_header(
            Header(self.identity, self.boot, self._seq, len(lines), "unsynced", time.time_ns())
        )
        self._waiting[self._seq] = (header + "".join(lines)).encode()
        with self._lock:
            self._bytes += len(header)

    def _send(self) -> None:
        """Hand the MQTT client every batch it does not have, as long as it takes them."""
        if not self._session.connected.is_set() or len(self._sent) == len(self._waiting):
            return
        on_the_way = set(self._sent.values())
        for seq, payload in self._waiting.items():
            if seq not in on_the_way:
                mid = self._session.publish(self._topic, payload)
                if mid is None:
                    return
                self._sent[mid] = seq


def settings(broker: str | Broker) -> Broker:
    """Full broker settings from either form."""
    return Broker(url=broker) if isinstance(broker, str) else broker
