"""The JSON messages of the wire, as typed structs.

Unknown fields are passed over, so that a newer peer can say more. All times are nanoseconds UTC.
"""

from __future__ import annotations

import time
import uuid
from enum import StrEnum
from typing import Annotated, Any, TypeVar

import msgspec

from edgeagent_sdk.errors import WireError

#: What fits the 64 bits of the stores and of SQLite.
_Int64 = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class Message(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What all messages share."""

    def encode(self) -> bytes:
        """UTF-8 JSON."""
        return msgspec.json.encode(self)


class ChannelInfo(Message):
    """A channel in `describe`. `minimum` and `maximum` are absent where the quantity has no bound."""

    device: str
    channel: str
    quantity: str
    unit: str
    kind: str
    minimum: float | None = None
    maximum: float | None = None
    description: str = ""
    interval_s: float = 0.0
    calibration: list[tuple[float, float]] = []


class ActuatorDescription(Message):
    """An actuator in `describe`, with the limits of what it takes."""

    device: str
    actuator: str
    quantity: str
    unit: str
    minimum: float
    maximum: float
    description: str = ""


class Describe(Message):
    """Retained: what a node has. Published at each start and after each change."""

    boot: str
    instance: str
    channels: list[ChannelInfo]
    actuators: list[ActuatorDescription] = []
    commands: list[str] = []
    versions: dict[str, str] = {}
    machine_boot_id: str = ""


class Status(StrEnum):
    """Whether a node is connected, as far as the broker knows."""

    ONLINE = "online"
    OFFLINE = "offline"


class State(Message):
    """Retained; the broker publishes the will, status offline, when the node falls silent."""

    status: Status
    since_ns: _Int64
    instance: str = ""
    boot: str = ""
    clock: str = ""


class Severity(StrEnum):
    """How much an event matters."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Event(Message):
    """Something happened: an anomaly, a fault, a control transition, a loss, a reverted actuator."""

    kind: str
    message: str
    time_ns: _Int64
    severity: Severity = Severity.INFO
    device: str = ""
    channel: str = ""
    data: dict[str, Any] = {}


class Command(Message):
    """An order to a node; its name is in the topic. Past `issued_ns` + `ttl_s` it is not carried out."""

    id: str
    issued_ns: _Int64
    ttl_s: float
    body: dict[str, Any] = {}

    @classmethod
    def new(cls, body: dict[str, Any], ttl_s: float) -> Command:
        """A command issued now, with an id of its own."""
        return cls(id=uuid.uuid4().hex, issued_ns=time.time_ns(), ttl_s=ttl_s, body=body)

    def expired(self, now_ns: int) -> bool:
        """Whether its time to live is over at `now_ns`."""
        return now_ns - self.issued_ns > self.ttl_s * 1e9


class Outcome(StrEnum):
    """What became of a command."""

    APPLIED = "applied"
    CLAMPED = "clamped"
    REFUSED = "refused"
    EXPIRED = "expired"


class Reply(Message):
    """A node's answer: the outcome, what now holds, and why."""

    id: str
    outcome: Outcome
    time_ns: _Int64
    holds: dict[str, Any] = {}
    why: str = ""


class Refusal(Message):
    """A batch that the aggregator will not store, and why."""

    seq: _Int64
    reason: str


class Ack(Message):
    """From the aggregator: batches of `boot` now safe in the store, as ranges of seq, both ends included."""

    boot: str
    stored: list[tuple[_Int64, _Int64]] = []
    refused: list[Refusal] = []


class Lease(Message):
    """Retained: who of several equal programs is in charge; each message renews it by `ttl_s`.

    Args:
        holder: the process, by a name that is never used again.
        number: rises with each message of a holder.
        ttl_s: silence after which another may take over; 0 gives it up.
        where: host and process, for people.
    """

    holder: str
    number: _Int64
    ttl_s: Annotated[float, msgspec.Meta(ge=0)]
    where: str = ""


M = TypeVar("M", bound=Message)


def decode(payload: bytes, kind: type[M]) -> M:
    """A message out of JSON.

    Raises:
        WireError: not JSON, or not of that shape.
    """
    try:
        return msgspec.json.decode(payload, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        name = kind.__name__.lower()
        raise WireError(f"not {'an' if name[0] in 'aeiou' else 'a'} {name} message: {error}") from None


def ranges(numbers: list[int]) -> list[tuple[int, int]]:
    """Sorted runs of a set of numbers: ``[3, 1, 2, 7]`` → ``[(1, 3), (7, 7)]``."""
    runs: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if runs and runs[-1][1] == number - 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs
