"""Orders to this node: each is carried out once, in its time, and always answered."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from edgeagent.clock import Clock
from edgeagent.report import Report
from edgeagent_sdk.errors import EdgeError, WireError
from edgeagent_sdk.messages import Command, Outcome, Reply, Severity, decode
from edgeagent_sdk.plugins import nearest

#: QoS 1 may bring a command twice; the replies to so many are kept and given again.
_REMEMBERED = 256

Handler = Callable[[dict[str, Any]], dict[str, Any]]
"""Takes a command's body, returns what now holds. Raises EdgeError to refuse."""


class Commands:
    """The table of commands, and the rules around every one of them."""

    def __init__(
        self, handlers: dict[str, Handler], clock: Clock, reply: Callable[[Reply], None], report: Report
    ) -> None:
        self.names = sorted(handlers)
        self._handlers = handlers
        self._clock, self._reply, self._report = clock, reply, report
        self._answers: OrderedDict[str, Reply] = OrderedDict()

    def receive(self, name: str, payload: bytes) -> None:
        """Carry out a command from the wire and answer it. Handlers are quick: this is the MQTT thread."""
        try:
            command = decode(payload, Command)
        except WireError as error:
            self._report("command-refused", f"cmd/{name}: {error}", Severity.WARNING)
            return
        answer = self._answers.get(command.id)
        if answer is None:
            answer = self._answers[command.id] = self._carry_out(name, command)
            if len(self._answers) > _REMEMBERED:
                self._answers.popitem(last=False)
        self._reply(answer)

    def _carry_out(self, name: str, command: Command) -> Reply:
        now_ns = self._clock.now_ns()
        if command.expired(now_ns):
            late_s = (now_ns - command.issued_ns) / 1e9 - command.ttl_s
            why = f"its time to live of {command.ttl_s:g} s ended {late_s:.1f} s ago by this node's clock"
            return Reply(id=command.id, outcome=Outcome.EXPIRED, time_ns=now_ns, why=why)
        handler = self._handlers.get(name)
        if handler is None:
            why = f"unknown command {name!r}; {nearest(name, self.names)}"
            return Reply(id=command.id, outcome=Outcome.REFUSED, time_ns=now_ns, why=why)
        try:
            holds = handler(command.body)
        except EdgeError as error:
            return Reply(id=command.id, outcome=Outcome.REFUSED, time_ns=now_ns, why=str(error))
        return Reply(id=command.id, outcome=Outcome.APPLIED, time_ns=now_ns, holds=holds)
