"""A Modbus RTU master: one request at a time, each answered in time and in order, or not at all.

Own framing on top of pyserial rather than pymodbus: on the same node and machine it makes the same
read at several times the rate and for a fraction of the CPU time (`make bench ROWS=node_round_trip`),
and it alone can refuse an answer by its content and ask again on a line that has fallen silent.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from edgeagent.drivers.node import rtu
from edgeagent.drivers.node.port import Port
from edgeagent.drivers.node.rtu import ExceptionAnswer, FrameError
from edgeagent_sdk.errors import DriverError
from edgeagent_sdk.nodemap import IDENTITY

#: Longer than what holds back the end of an answer: the 16 ms latency timer of FTDI's adapters.
_SILENCE_S = 0.02

T = TypeVar("T")


class Exchange(NamedTuple):
    """When a request left and when the whole answer was here, monotonic ns."""

    sent_ns: int
    received_ns: int


class Refused(DriverError):
    """The slave answered with an exception. `code` is the exception code."""

    def __init__(self, where: str, answer: ExceptionAnswer) -> None:
        super().__init__(f"{where} refuses: {answer}")
        self.code = answer.code


class Tally:
    """How the requests fared."""

    requests = 0
    timeouts = 0
    damaged = 0


class Master:
    """Speaks to one slave.

    Args:
        timeout_s: for a whole answer.
        retries: so often a request is sent again when there is no sound answer. Every request may be
            repeated: reads change nothing, writes are absolute.

    Attributes:
        last: the exchange that brought the last answer.
    """

    def __init__(self, port: Port, slave_id: int, timeout_s: float, retries: int = 2) -> None:
        self.port, self.slave_id = port, slave_id
        self.tally = Tally()
        self.last = Exchange(0, 0)
        self._timeout_s, self._retries = timeout_s, retries
        self._late = False

    def read_input(self, address: int, count: int, accept: Callable[[bytes], T]) -> T:
        """What `accept` makes of the bytes of `count` input registers.

        `accept` raises FrameError for what cannot be the answer; then the request is sent again.

        Raises:
            Refused: by an exception.
            DriverError: no sound answer, or the port is gone.
        """
        request = rtu.read_request(self.slave_id, rtu.READ_INPUT, address, count)
        return self._ask(request, lambda body: accept(rtu.registers(body)))

    def read_holding(self, address: int, count: int) -> bytes:
        """The bytes of `count` holding registers. Raises as `read_input`."""
        if self._late:
            # Nothing in such an answer tells which registers it is of: one of an earlier request that
            # is still to come would pass for it. Answers keep their order, so an answer to another
            # function is the last of the late.
            self.read_input(IDENTITY.address, 1, lambda data: None)
            self._late = False
        request = rtu.read_request(self.slave_id, rtu.READ_HOLDING, address, count)
        return self._ask(request, rtu.registers)

    def write(self, address: int, data: bytes) -> None:
        """Set holding registers in one request; two bytes each. Raises as `read_input`."""
        if len(data) == 2:
            request = rtu.write_one_request(self.slave_id, address, int.from_bytes(data, "big"))
        else:
            request = rtu.write_many_request(self.slave_id, address, data)
        self._ask(request, lambda body: None)

    def device_id(self) -> dict[int, str]:
        """The basic identification objects: 0 vendor, 1 product, 2 revision. Raises as `read_input`."""
        objects: dict[int, str] = {}
        following: int | None = 0
        while following is not None and following not in objects:
            request = rtu.device_id_request(self.slave_id, following)
            part, following = self._ask(request, rtu.device_id_objects)
            objects |= {number: value.decode("ascii", "replace") for number, value in part.items()}
        return objects

    def close(self) -> None:
        """Close the port."""
        self.port.close()

    def _ask(self, request: bytes, accept: Callable[[bytes], T]) -> T:
        trouble = ""
        for _ in range(1 + self._retries):
            self.tally.requests += 1
            try:
                return accept(self._exchange(request))
            except ExceptionAnswer as answer:
                raise Refused(self._where, answer) from None
            except FrameError as error:
                trouble = str(error)
                self.port.drain(_SILENCE_S)
        raise DriverError(
            f"{self._where} does not answer: {trouble}",
            "is the node powered, and are slave_id and baud its own?",
            retry_s=1.0,
        )

    def _exchange(self, request: bytes) -> bytes:
        sent_ns = time.monotonic_ns()
        self.port.write(request)
        deadline_s = sent_ns / 1e9 + self._timeout_s
        try:
            answer = self._receive(request, deadline_s)
            body = rtu.check_answer(request, answer)
        except FrameError:
            self.tally.damaged += 1
            raise
        self.last = Exchange(sent_ns, time.monotonic_ns())
        return body

    def _receive(self, request: bytes, deadline_s: float) -> bytes:
        answer = b""
        while (missing := rtu.answer_length(request, answer) - len(answer)) > 0:
            part = self.port.read(missing, deadline_s)
            answer += part
            if len(part) < missing:
                self._late = True
                self.tally.timeouts += 1
                ms = round(1e3 * self._timeout_s)
                raise FrameError(f"cut off after {len(answer)} bytes" if answer else f"silence for {ms} ms")
        return answer

    @property
    def _where(self) -> str:
        return f"{self.port.path}: slave {self.slave_id}"
