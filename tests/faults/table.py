"""The faults that can be put on a rig: a name, and what is done. Each leaves the rig able to go on."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

from tests.faults.rig import Rig
from tests.services import Service, wait_until

Fault = Callable[[Rig, random.Random], None]


def _kill(service: Service, random_: random.Random) -> None:
    service.kill()
    time.sleep(random_.uniform(0.0, 2.0))
    service.start()


def kill_agent(rig: Rig, random_: random.Random) -> None:
    """``kill -9`` of an agent, and a start soon after."""
    _kill(random_.choice(list(rig.nodes.values())).service, random_)


def kill_broker(rig: Rig, random_: random.Random) -> None:
    """``kill -9`` of the broker: it forgets every session and message since its last save."""
    _kill(rig.broker, random_)


def kill_aggregator(rig: Rig, random_: random.Random) -> None:
    """``kill -9`` of the aggregator."""
    _kill(rig.aggregator, random_)


def kill_store(rig: Rig, random_: random.Random) -> None:
    """``kill -9`` of the store."""
    _kill(rig.store, random_)


def half_open_agent(rig: Rig, random_: random.Random) -> None:
    """The network between the agents and the broker swallows everything, and tells nobody."""
    rig.agent_side.swallow.set()
    time.sleep(random_.uniform(6.0, 10.0))
    rig.agent_side.swallow.clear()
    rig.agent_side.cut()


def half_open_aggregator(rig: Rig, random_: random.Random) -> None:
    """The same between the broker and the aggregator."""
    rig.aggregator_side.swallow.set()
    time.sleep(random_.uniform(6.0, 10.0))
    rig.aggregator_side.swallow.clear()
    rig.aggregator_side.cut()


def freeze_broker(rig: Rig, random_: random.Random) -> None:
    """The broker stands still for a while: connections stay, nothing moves."""
    rig.broker.pause()
    time.sleep(random_.uniform(1.0, 9.0))
    rig.broker.resume()


def store_answers_500(rig: Rig, random_: random.Random) -> None:
    """The store answers 500 to every write for a while."""
    _store_answers(rig, 500, {}, random_.uniform(1.0, 3.0))


def store_answers_429(rig: Rig, random_: random.Random) -> None:
    """The store asks for patience."""
    _store_answers(rig, 429, {"Retry-After": "1"}, random_.uniform(1.0, 3.0))


def _store_answers(rig: Rig, status: int, headers: dict[str, str], seconds: float) -> None:
    rig.front.answer = (status, headers)
    time.sleep(seconds)
    rig.front.answer = None


def _drained(rig: Rig, random_: random.Random) -> Path:
    """The outbox of a node that has caught up: what a disk alone holds, a destroyed disk cannot give back."""
    node = random_.choice(list(rig.nodes.values()))
    wait_until(lambda: node.waiting() <= 3, f"{node.name} has caught up", 60.0)
    return node.outbox


def outbox_garbage(rig: Rig, random_: random.Random) -> None:
    """An agent's outbox is overwritten while it runs; the link is up, so little waits in it."""
    path = _drained(rig, random_)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.write(random_.randbytes(size))


def outbox_truncated(rig: Rig, random_: random.Random) -> None:
    """An agent's outbox is cut while it runs."""
    path = _drained(rig, random_)
    with path.open("r+b") as file:
        file.truncate(random_.randrange(path.stat().st_size))


def outbox_deleted(rig: Rig, random_: random.Random) -> None:
    """Somebody tidies up."""
    for path in _drained(rig, random_).parent.glob("outbox.db*"):
        path.unlink(missing_ok=True)


FAULTS: dict[str, Fault] = {
    fault.__name__: fault
    for fault in (
        kill_agent,
        kill_broker,
        kill_aggregator,
        kill_store,
        half_open_agent,
        half_open_aggregator,
        freeze_broker,
        store_answers_500,
        store_answers_429,
        outbox_garbage,
        outbox_truncated,
        outbox_deleted,
    )
}
