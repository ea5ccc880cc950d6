"""Who is in charge: of several equal optimizers one leads, and never two.

All speak on one retained topic, and the broker gives its messages to all in one order. The rules:

- A leader renews each second. A message counts from the moment *before* it was sent, and only once it has
  come back from the broker while its sender still led: it leads for `ttl_s - MARGIN_S` from then on.
- Another claims after `ttl_s + MARGIN_S` in which it was connected and heard nobody, and leads if its claim
  comes back with no message of another before it: of two claims the broker's order decides.

So between one leader's last moment and another's first lie `2 × MARGIN_S`, by whichever clock: each measures
its own intervals only, by a clock that also runs while the machine or the process sleeps. A command lives no
longer than that gap, and is dated before its sender looked whether it leads; one that is sent by a process
that was frozen in between is not carried out.

What the broker has retained may be old (it keeps it on disk now and then): it only makes a newcomer wait.
"""

from __future__ import annotations

import logging
import os
import platform
import threading
import time
import uuid
from collections.abc import Callable
from math import inf
from typing import Final

import paho.mqtt.client as paho

from edgeagent_sdk.errors import EdgeError
from edgeagent_sdk.messages import Lease, decode
from edgeagent_sdk.mqtt import Broker, Session
from edgeagent_sdk.names import Identity
from edgeagent_sdk.topics import PREFIX, topic

_LOG = logging.getLogger("edgeagent")

TTL_S: Final = 5.0
MARGIN_S: Final = 1.0

#: A command of a leader is carried out within this or not at all.
COMMAND_TTL_S: Final = 2 * MARGIN_S

_RENEW_S: Final = 1.0
_TURN_S: Final = 0.2


def now_s() -> float:
    """Seconds on a clock that no one sets, and that goes on while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Candidate:
    """The rules, without clock and network: what one of the programs knows and may say.

    Args:
        holder: a name that nobody else has, or has had.
    """

    def __init__(self, holder: str, where: str = "") -> None:
        self.holder, self.where = holder, where
        #: Who spoke last, for people.
        self.other = ""
        self._number = 0
        self._under_way: dict[int, float] = {}
        self._claim = 0
        self._until_s = self._renew_s = -inf
        self._quiet_since_s = inf

    def leads(self, at_s: float) -> bool:
        """Whether it is in charge."""
        return at_s < self._until_s

    def connected(self, at_s: float) -> None:
        """It hears what is said from now on; what it has said before may come late, and does not count."""
        self._under_way.clear()
        self._claim, self._quiet_since_s = 0, at_s

    def disconnected(self) -> None:
        """It hears nothing."""
        self._quiet_since_s = inf

    def heard(self, lease: Lease, at_s: float, *, retained: bool) -> None:
        """A message of the topic, in the broker's order."""
        mine = lease.holder == self.holder
        sent_s = self._under_way.pop(lease.number, None) if mine and not retained else None
        if sent_s is not None and (self.leads(at_s) or lease.number == self._claim):
            self._until_s = max(self._until_s, sent_s + TTL_S - MARGIN_S)
        self._claim = 0
        self._quiet_since_s = at_s
        if not mine:
            self.other = lease.where or lease.holder
            if lease.ttl_s == 0 and not retained and not self.leads(at_s):
                self._quiet_since_s = -inf

    def turn(self, at_s: float) -> Lease | None:
        """What to say now, if anything. Called several times a second."""
        if self.leads(at_s):
            if at_s >= self._renew_s:
                self._renew_s = at_s + _RENEW_S
                return self._said(at_s, TTL_S)
        elif not self._claim and at_s - self._quiet_since_s > TTL_S + MARGIN_S:
            self._quiet_since_s, self._renew_s = at_s, at_s + _RENEW_S
            claim = self._said(at_s, TTL_S)
            self._claim = claim.number
            return claim
        elif self._claim and at_s - self._quiet_since_s > TTL_S:
            self._claim, self._quiet_since_s = 0, at_s  # it has not come back
        return None

    def give_up(self, at_s: float) -> Lease | None:
        """Lead no longer; what to say so that another need not wait."""
        led, self._until_s = self.leads(at_s), -inf
        return self._said(at_s, 0.0) if led else None

    def _said(self, at_s: float, ttl_s: float) -> Lease:
        self._number += 1
        self._under_way = {n: sent for n, sent in self._under_way.items() if at_s - sent < TTL_S}
        self._under_way[self._number] = at_s
        return Lease(holder=self.holder, number=self._number, ttl_s=ttl_s, where=self.where)


class Leadership:
    """A candidate with a connection and a thread of its own.

    Args:
        identity: the job that one is to do: the site, and the optimizer's name among its nodes.
    """

    def __init__(self, broker: Broker, identity: Identity, *, prefix: str = PREFIX) -> None:
        where = f"{platform.node()} (process {os.getpid()})"
        self._candidate = Candidate(uuid.uuid4().hex, where)
        self._topic = topic(identity, "lease", prefix=prefix)
        self._lock = threading.Lock()  # not held while the MQTT client is called: it has one of its own
        self._ended = threading.Event()
        self._session = Session(
            broker,
            f"edge-lead-{self._candidate.holder[:12]}",
            on_connect=self._connected,
            on_message=self._heard,
            on_trouble=self._troubled,
        )
        self._thread = threading.Thread(target=self._run, name="leader", daemon=True)

    @property
    def leads(self) -> bool:
        """Whether this process is in charge at this moment."""
        return self._candidate.leads(now_s())

    @property
    def other(self) -> str:
        """Who else has spoken last; empty if nobody has."""
        return self._candidate.other

    def start(self) -> None:
        """Begin to wait for the lead."""
        self._session.start()
        self._thread.start()

    def stop(self) -> None:
        """Give the lead up, if we have it, and leave."""
        self._ended.set()
        self._thread.join(2.0)
        self._say(self._candidate.give_up)
        time.sleep(_TURN_S)  # the last word is on its way
        self._session.stop()

    def _run(self) -> None:
        while not self._ended.wait(_TURN_S):
            self._say(self._candidate.turn)

    def _say(self, what: Callable[[float], Lease | None]) -> None:
        with self._lock:
            lease = what(now_s())
        if lease:
            self._session.publish(self._topic, lease.encode(), retain=True)

    def _connected(self, session: Session) -> None:
        with self._lock:
            self._candidate.connected(now_s())
        session.subscribe(self._topic)

    def _troubled(self, reason: str) -> None:
        with self._lock:
            self._candidate.disconnected()

    def _heard(self, message: paho.MQTTMessage) -> None:
        try:
            lease = decode(bytes(message.payload), Lease)
        except EdgeError as error:
            _LOG.warning("%s: %s", message.topic, error)
            return
        with self._lock:
            self._candidate.heard(lease, now_s(), retained=bool(message.retain))
