"""What a store is: it takes line protocol and commits it, and answers for a range of time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Sequence
from typing import Any, ClassVar, NamedTuple

import msgspec

from edgeagent_sdk.errors import EdgeError


class StoreDown(EdgeError):
    """The store does not take data now; everything is tried again after `retry_s`."""

    def __init__(self, reason: str, retry_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_s = retry_s


class StoreRejected(EdgeError):
    """The store refuses some of these lines for what they are, and may have taken the others.

    Args:
        lines: which; then it has taken all the others. None if it does not tell.
    """

    def __init__(self, reason: str, lines: Collection[bytes] | None = None) -> None:
        super().__init__(reason)
        self.lines = lines


class StoreMisconfigured(EdgeError):
    """The store refuses us: credentials, database, bucket. A person must mend it."""


class TooMuch(EdgeError):
    """The answer would be too long to be held in memory."""

    def __init__(self) -> None:
        super().__init__(f"more than {POINTS_MAX} points; ask for less time or a longer step")


#: The tags of every reading, in their order.
TAGS = ("channel", "device", "node", "site")

#: Points that one answer may have. More would stall the intake, which shares the interpreter with it.
POINTS_MAX = 500_000


class Query(NamedTuple):
    """Which series, over which time. Empty names select all; `step_ns` 0 gives every point."""

    start_ns: int
    end_ns: int
    step_ns: int = 0
    quantity: str = ""
    channel: str = ""
    device: str = ""
    node: str = ""
    site: str = ""

    def tags(self) -> dict[str, str]:
        """The tags that are asked for."""
        return {tag: getattr(self, tag) for tag in TAGS if getattr(self, tag)}


class Series(NamedTuple):
    """One series of an answer; `points` are (nanoseconds UTC, value), rising in time."""

    quantity: str
    channel: str
    device: str
    node: str
    site: str
    points: list[tuple[int, float]]


class StoreOptions(msgspec.Struct, kw_only=True, frozen=True):
    """A store's own keys of the ``[store]`` table: derive from this."""


class Store(ABC):
    """One store. `write` and `tend` are called by one thread; `query` by others."""

    Options: ClassVar[type[StoreOptions]] = StoreOptions

    def __init__(self, options: Any) -> None:
        self.options = options

    @abstractmethod
    def write(self, payloads: Sequence[bytes]) -> None:
        """Commit line protocol; on return it survives the death of everything but the store's disk.

        Writing the same points again must change nothing.

        Raises:
            StoreDown, StoreRejected, StoreMisconfigured
        """

    @abstractmethod
    def query(self, query: Query) -> list[Series]:
        """The series that match. A gauge's step is its mean, a counter's its last value.

        Raises:
            StoreDown, StoreMisconfigured, TooMuch
        """

    def tend(self) -> None:  # noqa: B027 - most stores need no care
        """Called about once a second by the thread that writes, however busy it is.

        Raises:
            StoreDown, StoreMisconfigured
        """

    def close(self) -> None:  # noqa: B027 - most stores hold nothing
        """Let go of connections and files."""


def seconds(text: Any) -> float | None:
    """A Retry-After header's seconds, or None."""
    try:
        return max(0.0, float(text))
    except (TypeError, ValueError):
        return None


def within_limit(found: Iterable[Series]) -> list[Series]:
    """The series as a list. Raises TooMuch as soon as they have too many points."""
    result: list[Series] = []
    count = 0
    for series in found:
        count += len(series.points)
        if count > POINTS_MAX:
            raise TooMuch
        result.append(series)
    return result


def step(points: Iterable[tuple[int, float]], step_ns: int, *, counter: bool) -> list[tuple[int, float]]:
    """One point for each step: a gauge's mean, a counter's last value, stamped at the step's beginning."""
    groups: dict[int, list[float]] = {}
    for time_ns, value in points:
        groups.setdefault(time_ns - time_ns % step_ns, []).append(value)
    return [
        (start, group[-1] if counter else sum(group) / len(group)) for start, group in sorted(groups.items())
    ]
