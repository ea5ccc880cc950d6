"""Orders to this node: each is carried out once, in its time, and always answered."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from edgeagent.clock import Clock
from edgeagent.report import Report
from edgeagent_sdk.errors import EdgeError, WireError
from edgeagent_sdk.messages import Command, Outcome, Reply, Severity, decode
from edgeagent_sdk.plugins import nearest

#: QoS 1 may bring a command twice; the replies to so many are kept and given again.
_REMEMBERED = 256


class Answer(Protocol):
    """Answers one command, from any thread; the first answer counts."""

    def __call__(self, outcome: Outcome, holds: Mapping[str, Any], why: str = "") -> None: ...


Handler = Callable[[dict[str, Any], Answer], None]
"""Takes a command's body, and answers it now or later, when what it asks for has been done.

It runs on the MQTT thread and waits for nothing. Raises EdgeError to refuse.
"""


def at_once(function: Callable[[dict[str, Any]], dict[str, Any]]) -> Handler:
    """The handler of a command that is done when `function` returns, with what then holds."""
    return lambda body, answer: answer(Outcome.APPLIED, function(body))


class Commands:
    """The table of commands, and the rules around every one of them."""

    def __init__(
        self, handlers: dict[str, Handler], clock: Clock, reply: Callable[[Reply], None], report: Report
    ) -> None:
        self.names = sorted(handlers)
        self._handlers = handlers
        self._clock, self._reply, self._report = clock, reply, report
        #: None for a command that is still being carried out.
        self._answers: OrderedDict[str, Reply | None] = OrderedDict()
        self._lock = threading.Lock()

    def receive(self, name: str, payload: bytes) -> None:
        """Carry out a command from the wire; it is answered now or later."""
        try:
            command = decode(payload, Command)
        except WireError as error:
            self._report("command-refused", f"cmd/{name}: {error}", Severity.WARNING)
            return
        with self._lock:
            again, earlier = command.id in self._answers, self._answers.get(command.id)
            self._answers[command.id] = earlier
            if len(self._answers) > _REMEMBERED:
                self._answers.popitem(last=False)
        if earlier:
            self._reply(earlier)
        elif not again:
            self._carry_out(name, command)

    def _carry_out(self, name: str, command: Command) -> None:
        answer = self._answer(command.id)
        now_ns = self._clock.now_ns()
        if command.expired(now_ns):
            late_s = (now_ns - command.issued_ns) / 1e9 - command.ttl_s
            why = f"its time to live of {command.ttl_s:g} s ended {late_s:.1f} s ago by this node's clock"
            answer(Outcome.EXPIRED, {}, why)
            return
        handler = self._handlers.get(name)
        if handler is None:
            answer(Outcome.REFUSED, {}, f"unknown command {name!r}; {nearest(name, self.names)}")
            return
        try:
            handler(command.body, answer)
        except EdgeError as error:
            answer(Outcome.REFUSED, {}, str(error))

    def _answer(self, id_: str) -> Answer:
        def answer(outcome: Outcome, holds: Mapping[str, Any], why: str = "") -> None:
            reply = Reply(id=id_, outcome=outcome, time_ns=self._clock.now_ns(), holds=dict(holds), why=why)
            with self._lock:
                if self._answers.get(id_):
                    return
                self._answers[id_] = reply
            self._reply(reply)

        return answer
