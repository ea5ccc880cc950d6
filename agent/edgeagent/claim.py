"""One name, one installation: how an agent makes sure that it is the only one of its name.

The retained `state` says who holds the name. If another installation does, it is asked (a `ping`
to the name's own topic, which that installation would answer). Silence means that it is gone and
its state was left behind by a broker that died before it could publish the will; an answer means
two agents with one name, and the later one holds its readings back until the other has left.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from edgeagent.report import Report
from edgeagent_sdk.messages import Command, Reply, Severity, State, Status

#: Retained messages follow a subscription at once; this is for slow links.
_LISTEN_S = 0.5
_ANSWER_S = 3.0
_AGAIN_S = 15.0


class Claim:
    """The state of our claim to the node's name. Callbacks come from the MQTT and timer threads.

    Args:
        ours: our own state, as published.
        ask: publishes a ping command on the name's topic.
        decided: called with True when the name becomes ours, with False when another has it.
    """

    def __init__(
        self, ours: State, ask: Callable[[bytes], None], decided: Callable[[bool], None], report: Report
    ) -> None:
        self.held = False
        self._ours, self._ask, self._decided, self._report = ours, ask, decided, report
        self._lock = threading.RLock()
        self._rival: State | None = None
        self._question = ""
        self._timer: threading.Timer | None = None
        self._told = ""

    def begin(self) -> None:
        """A connection is up: listen who holds the name."""
        with self._lock:
            self.held, self._rival, self._question = False, None, ""
            self._after(_LISTEN_S, self._judge)

    def cancel(self) -> None:
        """The connection is gone."""
        with self._lock:
            self.held = False
            if self._timer:
                self._timer.cancel()

    def seen(self, state: State) -> None:
        """A state of this name, retained or fresh, ours among them."""
        with self._lock:
            if state.instance == self._ours.instance:
                if self.held and state.status is Status.OFFLINE:
                    self._decided(True)  # a will from an earlier connection, come late: say it again
                return
            if not state.instance:
                return
            self._rival = state if state.status is Status.ONLINE else None
            if self._rival is None:
                self._question = ""
            if self._rival is None or not self.held:
                self._after(0.0, self._judge)
            elif self._older(self._rival):
                self._ask_rival()  # anybody can publish a state; only an agent answers

    def answered(self, reply: Reply) -> None:
        """A reply on this name's topic: to our question, perhaps."""
        with self._lock:
            if self._question and reply.id == self._question:
                self._question = ""
                if self._rival:
                    self._yield()

    def is_question(self, payload: bytes) -> bool:
        """Whether a command that came in is our own question, which is not for us to answer."""
        question = self._question
        return bool(question) and question.encode() in payload

    def _judge(self) -> None:
        with self._lock:
            if self.held:
                return
            if self._rival is None:
                self._take()
            else:
                self._ask_rival()

    def _ask_rival(self) -> None:
        if not self._question:
            question = Command.new({}, ttl_s=_ANSWER_S)
            self._question = question.id
            self._after(_ANSWER_S, self._silence)
            self._ask(question.encode())

    def _silence(self) -> None:
        with self._lock:
            if self._question:
                self._question, self._rival = "", None
                self._take()  # again, if it was ours: the state that is published now is not

    def _take(self) -> None:
        self.held = True
        if self._told:
            self._report("name-free", "the other agent of this name has left; readings go out again")
        self._told = ""
        self._decided(True)

    def _yield(self) -> None:
        assert self._rival is not None
        self.held = False
        if self._told != self._rival.instance:
            self._report(
                "name-taken",
                f"another agent (installation {self._rival.instance[:8]}) is online under this site and node "
                "name; readings wait in the outbox until it leaves: give one of the two another node name",
                Severity.ERROR,
            )
        self._told = self._rival.instance
        self._decided(False)
        self._after(_AGAIN_S, self._judge)

    def _older(self, rival: State) -> bool:
        return (rival.since_ns, rival.instance) < (self._ours.since_ns, self._ours.instance)

    def _after(self, delay_s: float, action: Callable[[], None]) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = threading.Timer(delay_s, action)
        self._timer.daemon = True
        self._timer.start()
