"""A Modbus master: one request at a time, each answered in time, or not at all.

Own framing rather than pymodbus, on serial lines and on TCP: on the same device and machine it makes
the same read at several times the rate and for a fraction of the CPU time (`make bench ROWS="modbus
node_round_trip"`), and it alone can refuse an answer by its content and ask again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from itertools import repeat
from typing import NamedTuple, TypeVar

from edgeagent.modbus import pdu
from edgeagent.modbus.bus import Bus
from edgeagent.modbus.pdu import ExceptionAnswer, FrameError
from edgeagent_sdk.errors import DriverError

T = TypeVar("T")


class Exchange(NamedTuple):
    """When a request left and when the whole answer was here, monotonic ns."""

    sent_ns: int
    received_ns: int


class Refused(DriverError):
    """The device answered with an exception. `code` is the exception code."""

    def __init__(self, where: str, answer: ExceptionAnswer) -> None:
        super().__init__(f"{where} refuses: {answer}")
        self.code = answer.code
        self.answer = str(answer)


class Tally:
    """How the requests fared."""

    requests = 0
    timeouts = 0
    damaged = 0

    @property
    def failed(self) -> int:
        """Requests to which no answer came, or another one first: theirs may still come."""
        return self.timeouts + self.damaged


class Master:
    """Speaks to one unit on a bus.

    Args:
        timeout_s: for a whole answer.
        retries: so often a request is sent again when there is no sound answer. Every request may be
            repeated: reads change nothing, writes are absolute.
        pause_s: the line is left alone for so long after each exchange.
        remedy, retry_s: of the error when nobody answers.
        hear_out: whether answers are told apart by nothing but their order, so that one that is late must
            be waited for before a request is sent to which it could pass for the answer.

    Attributes:
        last: the exchange that brought the last answer.
    """

    def __init__(
        self,
        bus: Bus,
        unit_id: int,
        timeout_s: float,
        *,
        retries: int = 2,
        pause_s: float = 0.0,
        remedy: str = "is the device powered, and are unit_id and the line's settings its own?",
        retry_s: float | None = None,
        hear_out: bool = True,
    ) -> None:
        self.bus, self.unit_id, self.timeout_s = bus, unit_id, timeout_s
        self.retries = retries
        self.tally = Tally()
        self.last = Exchange(0, 0)
        self._late = b""  # a request that was sent again, and to which an answer may still come
        self._left = False
        self._late_until_s = 0.0
        self._pause_s, self._remedy, self._retry_s = pause_s, remedy, retry_s
        self._hear_out = hear_out and not bus.place.ordered

    @property
    def where(self) -> str:
        """For messages."""
        return f"{self.bus.place.name}: unit {self.unit_id}"

    def read(self, function: int, address: int, count: int, accept: Callable[[bytes], T]) -> T:
        """What `accept` makes of the bytes of `count` registers or bits.

        `accept` raises FrameError for what cannot be the answer; then the request is sent again.

        Raises:
            Refused: by an exception.
            DriverError: no sound answer, or the line is gone.
        """
        return self.ask(pdu.read(function, address, count), lambda body: accept(pdu.data(body)))

    def write(self, address: int, data: bytes, *, many: bool = False) -> None:
        """Set holding registers in one request; two bytes each. Raises as `read`.

        Args:
            many: use "write multiple registers" for a single one too.
        """
        write = pdu.write_many if many or len(data) > 2 else pdu.write_one
        self.ask(write(address, data), lambda body: None)

    def write_coil(self, address: int, on: bool) -> None:
        """Set one coil. Raises as `read`."""
        self.ask(pdu.write_coil(address, on), lambda body: None)

    def device_id(self) -> dict[int, str]:
        """The basic identification objects: 0 vendor, 1 product, 2 revision. Raises as `read`."""
        objects: dict[int, str] = {}
        following: int | None = 0
        while following is not None and following not in objects:
            part, following = self.ask(pdu.device_id(following), pdu.device_id_objects)
            objects |= {number: value.decode("ascii", "replace") for number, value in part.items()}
        return objects

    def close(self) -> None:
        """Leave the bus; may be called twice."""
        if not self._left:
            self.bus.leave()
        self._left = True

    def ask(self, request: bytes, accept: Callable[[bytes], T]) -> T:
        """What `accept` makes of the body of the answer to a request PDU. Raises as `read`."""
        if self._late and self._hear_out:
            self._wait_for_late(request)
        return self.ask_by_turns(repeat(request, 1 + self.retries), accept)

    def ask_by_turns(self, requests: Iterable[bytes], accept: Callable[[bytes], T]) -> T:
        """As `ask`; what is sent after a request without a sound answer is the next one. Raises as `read`."""
        trouble = ""
        for request in requests:
            try:
                return accept(self._exchange(request))
            except FrameError as error:
                self.tally.damaged += 1
                trouble = str(error)
            except TimeoutError as error:
                self.tally.timeouts += 1
                trouble = f"{error} for {round(1e3 * self.timeout_s)} ms"
                self._late, self._late_until_s = request, time.monotonic() + self.timeout_s
            except ExceptionAnswer as answer:
                if answer.code != pdu.BUSY:
                    raise Refused(self.where, answer) from None
                trouble = str(answer)
                time.sleep(self._pause_s)
        raise DriverError(f"{self.where} does not answer: {trouble}", self._remedy, retry_s=self._retry_s)

    def _exchange(self, request: bytes) -> bytes:
        self.tally.requests += 1
        sent_ns = time.monotonic_ns()
        answer = self.bus.exchange(self.unit_id, request, self.timeout_s, self._pause_s)
        body = pdu.check(request, answer)
        self.last = Exchange(sent_ns, time.monotonic_ns())
        return body

    def _wait_for_late(self, request: bytes) -> None:
        while pdu.alike(self._late, request) and time.monotonic() < self._late_until_s:
            self.bus.drain(self._late_until_s - time.monotonic())
        if time.monotonic() >= self._late_until_s:
            self._late = b""
