"""The courier: what it sends is acknowledged, also when the outbox has changed its name meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from edgeagent.clock import Clock
from edgeagent.courier import Courier, Terms
from edgeagent.storage import Storage
from edgeagent_sdk.batch import Header, decode_header
from edgeagent_sdk.messages import Ack, Severity
from edgeagent_sdk.names import Identity

WINDOW = 4
TERMS = Terms(max_bytes=1 << 30, batch_s=0.05, stored=True, ack_timeout_s=60.0, window=WINDOW)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10.0
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_acknowledgements_free_the_window_after_the_file_was_replaced(tmp_path: Path) -> None:
    sent: list[Header] = []

    def send(payload: bytes) -> int:
        sent.append(decode_header(payload.split(b"\n", 1)[0]))
        return len(sent)

    def report(kind: str, message: str, severity: Severity = Severity.INFO, **_: object) -> None:
        print(kind, message, severity)

    storage = Storage(tmp_path / "outbox.db", TERMS.max_bytes, report)
    courier = Courier(storage, TERMS, Identity("s", "n"), "instance", send, Clock(), report)
    put = 0

    def read_on() -> bool:
        nonlocal put
        put += 1
        courier.put(f"power,channel=c,device=d,node=n,site=s value={float(put)} {time.time_ns()}\n", 1)
        return False

    courier.start()
    courier.road(True)
    until(lambda: read_on() or len(sent) == WINDOW)
    before = courier.boot
    (tmp_path / "outbox.db").write_bytes(b"garbage!" * 1000)
    until(lambda: read_on() or courier.boot != before)
    assert {header.boot for header in sent} == {before}
    courier.acknowledged(Ack(boot=before, stored=[(1, WINDOW)]))
    until(lambda: any(header.boot == courier.boot for header in sent))
    courier.finish(0.0)
    courier.join(5.0)
    assert not courier.is_alive()
