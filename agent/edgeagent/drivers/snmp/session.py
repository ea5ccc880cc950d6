"""Questions to one SNMP agent over UDP: each answered in time, or told why not.

A codec of our own rather than pysnmp: 48 outlets x 4 quantities, in four GETBULKs, take pysnmp 7.1 61 ms of
CPU time, ezsnmp 2.5 (net-snmp in C, values as text) 24 ms, and this 1.4 ms, where 20 ms are 2 % of a core at
one pass a second. gufo-snmp 0.13 (Rust) takes 1 ms, but has neither a GETBULK of several columns nor SET.
`make bench ROWS=snmp` measures it again.
"""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Sequence

from edgeagent.drivers.snmp import ber
from edgeagent.drivers.snmp.ber import Malformed, Oid, VarBind, VarValue
from edgeagent.drivers.snmp.message import ERRORS, GET, GET_BULK, GET_NEXT, SET, TOO_BIG, Pdu, Security
from edgeagent.drivers.snmp.message import request as pdu_of
from edgeagent_sdk.errors import DriverError

#: An agent that reboots may fall out of time once, then ask for its new engine id.
_HANDSHAKES = 3

_DATAGRAM_MAX = 65_535

#: noAccess, authorizationError, notWritable.
_ACCESS = (6, 16, 17)


class TooBig(DriverError):
    """The agent cannot answer so much at once."""


class Silence(DriverError):
    """No answer came."""


class Session:
    """Speaks to one agent.

    Args:
        where: host and port, for people.
        silent: what may be the reason when no answer comes.
        timeout_s: for each answer; then it is asked again, `retries` times.

    Attributes:
        requests: so many datagrams have been sent.
        damaged: so many answers were no answers.
    """

    def __init__(
        self,
        address: tuple[str, int],
        security: Security,
        *,
        timeout_s: float,
        retries: int,
        silent: str,
    ) -> None:
        host, port = address
        self.where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self.requests = 0
        self.damaged = 0
        self._security, self._timeout_s, self._retries, self._silent = security, timeout_s, retries, silent
        self._socket = _connect(address, self.where)
        self._request_id = random.randrange(1 << 28, 1 << 30)

    def get(self, names: Sequence[Oid]) -> list[VarValue]:
        """What the variables hold; None for those that are not there.

        Raises:
            TooBig: ask for fewer.
            DriverError: no answer, or a refusal.
        """
        answer = self._ask(GET, 0, 0, b"".join(map(ber.bind, names))).variables
        if [name for name, _ in answer] != list(names):
            raise DriverError(f"{self.where} answers with other variables than it was asked for")
        return [value for _, value in answer]

    def get_next(self, names: Sequence[Oid]) -> list[VarBind]:
        """The variable that follows each of `names`. Raises as `get`."""
        return self._ask(GET_NEXT, 0, 0, b"".join(map(ber.bind, names))).variables

    def get_bulk(self, names: Sequence[Oid], repetitions: int) -> list[VarBind]:
        """The variables that follow each of `names`, row by row, as many as fit. Raises as `get`."""
        return self._ask(GET_BULK, 0, repetitions, b"".join(map(ber.bind, names))).variables

    def set(self, name: Oid, value: int) -> None:
        """Write an INTEGER. Raises DriverError."""
        self._ask(SET, 0, 0, ber.bind(name, ber.integer(value)))

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _ask(self, kind: int, first: int, second: int, variables: bytes) -> Pdu:
        self._request_id = self._request_id + 1 if self._request_id < 1 << 30 else 1 << 28
        pdu = pdu_of(kind, self._request_id, first, second, variables)
        answer = self._answer(pdu)
        if answer.status == TOO_BIG:
            raise TooBig(f"{self.where}: {ERRORS[TOO_BIG]}", "set answer_bytes to less")
        if answer.status:
            what = ERRORS.get(answer.status, f"error {answer.status}")
            verb = "write" if kind == SET else "read"
            raise DriverError(f"{self.where} refuses to {verb}: {what}", _remedy(answer.status))
        return answer

    def _answer(self, pdu: bytes) -> Pdu:
        tries = handshakes = 0
        while tries <= self._retries:
            try:
                self._socket.send(self._security.wrap(pdu, self._request_id))
                self.requests += 1
                answer = self._receive(time.monotonic() + self._timeout_s)
            except TimeoutError:
                tries += 1
                continue
            except ConnectionRefusedError:
                raise Silence(
                    f"{self.where}: nothing listens there", "enable SNMP on the device, or correct port"
                ) from None
            except OSError as error:
                raise DriverError(f"{self.where}: {(error.strerror or str(error)).lower()}") from None
            if answer:
                return answer
            handshakes += 1
            tries += handshakes > _HANDSHAKES
        damaged = f", but {self.damaged} damaged or foreign ones" if self.damaged else ""
        waited_s = self._timeout_s * (1 + self._retries)
        raise Silence(f"{self.where}: no answer within {waited_s:g} s{damaged}", self._silent)

    def _receive(self, until_s: float) -> Pdu | None:
        """The answer to the last question; None for a report that says to ask again."""
        while (left_s := until_s - time.monotonic()) > 0:
            self._socket.settimeout(left_s)
            message = self._socket.recv(_DATAGRAM_MAX)
            try:
                answer = self._security.unwrap(message)
            except Malformed:
                self.damaged += 1
                continue
            if answer is None or answer.request_id == self._request_id:
                return answer
        raise TimeoutError


def _connect(address: tuple[str, int], where: str) -> socket.socket:
    """A socket that takes datagrams from there only."""
    try:
        family, kind, protocol, _, target = socket.getaddrinfo(*address, type=socket.SOCK_DGRAM)[0]
    except OSError:
        raise DriverError(f"{where}: no such host", "correct host") from None
    sock = socket.socket(family, kind, protocol)
    try:
        sock.connect(target)
    except OSError as error:
        sock.close()
        raise DriverError(f"{where}: {(error.strerror or str(error)).lower()}") from None
    return sock


def _remedy(status: int) -> str:
    return "let the device give this user or community that access" if status in _ACCESS else ""
