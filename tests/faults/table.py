"""The faults that can be put on a rig: a name, and what is done. Each leaves the rig able to go on."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

from tests.faults.rig import Node, Rig
from tests.services import Service, listens, wait_until

Fault = Callable[[Rig, random.Random], None]


def _kill(service: Service, random_: random.Random) -> None:
    service.kill()
    time.sleep(random_.uniform(0.0, 2.0))
    service.start()


def _agent(rig: Rig, random_: random.Random) -> Node:
    return random_.choice(list(rig.nodes.values()))


def kill_agent(rig: Rig, random_: random.Random) -> None:
    """``kill -9`` of an agent, and a start soon after."""
    _kill(_agent(rig, random_).service, random_)


def kill_broker(rig: Rig, random_: random.Random) -> None:
    """``kill -9`` of the broker: it forgets every session and message since its last save."""
    _kill(rig.broker, random_)


def kill_aggregator(rig: Rig, random_: random.Random) -> None:
    """``kill -9`` of the aggregator."""
    _kill(rig.aggregator, random_)


def kill_store(rig: Rig, random_: random.Random) -> None:
    """``kill -9`` of the store."""
    _kill(rig.store, random_)


def kill_all(rig: Rig, random_: random.Random) -> None:
    """A power cut, but for the disks: everything dies, and comes back in any order."""
    services = [rig.broker, rig.aggregator, rig.store, *(node.service for node in rig.nodes.values())]
    for service in services:
        service.kill()
    for service in random_.sample(services, len(services)):
        service.start(wait=False)
    wait_until(lambda: listens(rig.broker.port) and listens(rig.store.port), "they are back")


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


def _freeze(service: Service, seconds: float) -> None:
    service.pause()
    time.sleep(seconds)
    service.resume()


def freeze_agent(rig: Rig, random_: random.Random) -> None:
    """An agent stands still, as in a virtual machine that is moved."""
    _freeze(_agent(rig, random_).service, random_.uniform(1.0, 4.0))


def freeze_broker(rig: Rig, random_: random.Random) -> None:
    """The broker stands still: connections stay, nothing moves."""
    _freeze(rig.broker, random_.uniform(1.0, 9.0))


def freeze_aggregator(rig: Rig, random_: random.Random) -> None:
    """The aggregator stands still."""
    _freeze(rig.aggregator, random_.uniform(1.0, 7.0))


def freeze_store(rig: Rig, random_: random.Random) -> None:
    """The store takes a write and does not answer for a while."""
    _freeze(rig.store, random_.uniform(1.0, 4.0))


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


def _damage(rig: Rig, random_: random.Random, act: Callable[[Path], None]) -> None:
    """Destroy the outbox of a running agent, and wait for its report.

    The node must have caught up, for what a disk alone holds a destroyed disk cannot give back; and
    once the report is there the readings of late are on the disk again.
    """
    node = _agent(rig, random_)
    wait_until(lambda: node.waiting() <= 3, f"{node.name} has caught up", 60.0)
    log = node.service.log
    before = log.read_text().count(_REPORT)
    act(node.outbox)
    wait_until(lambda: log.read_text().count(_REPORT) > before, f"{node.name} has noticed", 5.0)


_REPORT = "set aside as outbox.db.corrupt-"


def outbox_garbage(rig: Rig, random_: random.Random) -> None:
    """An agent's outbox is overwritten while it runs."""

    def overwrite(path: Path) -> None:
        size = path.stat().st_size
        with path.open("r+b") as file:
            file.write(random_.randbytes(size))

    _damage(rig, random_, overwrite)


def outbox_truncated(rig: Rig, random_: random.Random) -> None:
    """An agent's outbox is cut while it runs."""
    _damage(rig, random_, lambda path: os.truncate(path, random_.randrange(path.stat().st_size)))


def outbox_deleted(rig: Rig, random_: random.Random) -> None:
    """Somebody tidies up."""

    def delete(path: Path) -> None:
        for part in path.parent.glob("outbox.db*"):
            part.unlink(missing_ok=True)

    _damage(rig, random_, delete)


def _table(*faults: Fault) -> dict[str, Fault]:
    return {fault.__name__: fault for fault in faults}


#: These may come at the same time as others.
OUTAGES = _table(
    kill_agent,
    kill_broker,
    kill_aggregator,
    kill_store,
    freeze_agent,
    freeze_broker,
    freeze_aggregator,
    freeze_store,
    half_open_agent,
    half_open_aggregator,
    store_answers_500,
    store_answers_429,
)

FAULTS = OUTAGES | _table(kill_all, outbox_garbage, outbox_truncated, outbox_deleted)
