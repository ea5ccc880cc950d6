"""Plays a recorded CSV trace as a device, in real or accelerated time.

The header names the channels as ``quantity/channel``, e.g. ``time_s,power/gpu,temperature/gpu``; for
a trace with other headers the option ``columns`` says which column is which. A value holds until
the time of the next row, as a meter's display would.
"""

from __future__ import annotations

import csv
import math
import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec

from edgeagent.drivers.counter import WrapCounter
from edgeagent_sdk.channel import Channel, Fault, Value
from edgeagent_sdk.driver import Host, Options, Sensor
from edgeagent_sdk.errors import DriverError, EdgeError
from edgeagent_sdk.plugins import nearest
from edgeagent_sdk.quantities import Kind


class ReplayOptions(Options):
    """Which trace, and how it is played."""

    path: Annotated[str, msgspec.Meta(description="the CSV file; its first line names the columns")]
    speed: Annotated[
        float, msgspec.Meta(gt=0, le=1e9, description="1 is real time, 60 plays a minute in a second")
    ] = 1.0
    loop: Annotated[bool, msgspec.Meta(description="begin again at the end; counters go on rising")] = False
    time_column: Annotated[
        str, msgspec.Meta(description="column with seconds or ISO 8601 times; default: the first column")
    ] = ""
    columns: Annotated[
        dict[str, str],
        msgspec.Meta(
            description='which columns are played, e.g. { gpu_w = "power/gpu" }; default: by header'
        ),
    ] = msgspec.field(default_factory=dict)


class ReplaySensor(Sensor):
    """A trace in the place of a device."""

    Options = ReplayOptions
    summary = "a recorded CSV trace, played as a device"

    def __init__(self, host: Host, options: ReplayOptions) -> None:
        super().__init__(host, options)
        self._begun_s: float | None = None
        self._times: list[float] = []
        self._rows: list[list[Value]] = []
        self._gains: list[float] = []

    def open(self) -> Sequence[Channel]:
        """Read the whole trace, so that a mistake in it shows before anything is played."""
        path = Path(self.options.path) if self.host.root == Path("/") else self.host.path(self.options.path)
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                return self._load(path, csv.reader(file))
        except OSError as error:
            raise DriverError(f"{path}: {(error.strerror or str(error)).lower()}") from None
        except (UnicodeDecodeError, csv.Error) as error:
            raise DriverError(f"{path}: not a CSV file: {error}") from None

    def read(self) -> Sequence[Value]:
        """The row of this moment; faults once a trace that does not loop has ended."""
        now_s = time.monotonic()
        if self._begun_s is None:
            self._begun_s = now_s
        played_s = (now_s - self._begun_s) * self.options.speed
        return row_at(self._times, self._rows, self._gains, played_s, loop=self.options.loop)

    def _load(self, path: Path, table: Iterator[list[str]]) -> list[Channel]:
        header = next(table, None)
        if not header:
            raise DriverError(f"{path}: is empty")
        time_index = self._time_index(path, header)
        columns = self._columns(path, header, time_index)
        channels = [_channel(path, name) for _, name in columns]
        times: list[float] = []
        rows: list[list[Value]] = []
        for number, row in enumerate(table, 2):
            if row:
                where = f"{path}:{number}"
                times.append(_seconds(where, row[time_index] if time_index < len(row) else ""))
                rows.append([_value(where, row[i] if i < len(row) else "") for i, _ in columns])
                if len(times) > 1 and times[-1] <= times[-2]:
                    raise DriverError(f"{where}: the time does not rise")
        if not rows:
            raise DriverError(f"{path}: has a header but no rows")
        self._times = [moment - times[0] for moment in times]
        self._rows = rows
        self._gains = [
            _count_on(rows, i) if channel.quantity.kind is Kind.COUNTER else 0.0
            for i, channel in enumerate(channels)
        ]
        return channels

    def _time_index(self, path: Path, header: list[str]) -> int:
        wanted = self.options.time_column
        if wanted and wanted not in header:
            raise DriverError(f"{path}: no column {wanted!r}; {nearest(wanted, header)}")
        return header.index(wanted) if wanted else 0

    def _columns(self, path: Path, header: list[str], time_index: int) -> list[tuple[int, str]]:
        for column in self.options.columns:
            if column not in header:
                raise DriverError(f"{path}: no column {column!r}; {nearest(column, header)}")
        if self.options.columns:
            return [(header.index(column), name) for column, name in self.options.columns.items()]
        named = [(i, name) for i, name in enumerate(header) if i != time_index and "/" in name]
        if not named:
            raise DriverError(
                f"{path}: no column is called quantity/channel", "name the columns in the option `columns`"
            )
        return named


def row_at(
    times: Sequence[float],
    rows: Sequence[Sequence[Value]],
    gains: Sequence[float],
    played_s: float,
    *,
    loop: bool,
) -> list[Value]:
    """The values that hold `played_s` into a trace.

    A trace lasts until its last row has held for as long as the one before it.

    Args:
        times: shape (n,), seconds from 0, rising.
        rows: shape (n, channels).
        gains: shape (channels,), what each round adds: 0 for a gauge, for a counter what the trace counts.
    """
    period_s = times[-1] + (times[-1] - times[-2] if len(times) > 1 else 1.0)
    rounds, at_s = divmod(played_s, period_s)
    if rounds and not loop:
        return [Fault("the trace has ended")] * len(gains)
    row = rows[bisect_right(times, at_s) - 1]
    return [
        value if isinstance(value, Fault) else value + rounds * gain
        for value, gain in zip(row, gains, strict=True)
    ]


def _count_on(rows: Sequence[list[Value]], column: int) -> float:
    """Make a column rise over falls, where the recorded counter began again; what it counts in all."""
    counter = WrapCounter(None)
    totals = []
    for row in rows:
        value = row[column]
        if not isinstance(value, Fault) and 0 <= value < math.inf:
            row[column] = counter.update(value, 0.0)
            totals.append(counter.total)
    return totals[-1] - totals[0] if totals else 0.0


def _channel(path: Path, name: str) -> Channel:
    quantity, _, channel = name.partition("/")
    try:
        return Channel(channel, quantity)
    except EdgeError as error:
        raise DriverError(f"{path}: column {name!r}: {error}") from None


def _seconds(where: str, cell: str) -> float:
    with suppress(ValueError):
        if math.isfinite(seconds := float(cell)):
            return seconds
    try:
        moment = datetime.fromisoformat(cell)
    except ValueError:
        raise DriverError(f"{where}: {cell!r} is neither seconds nor an ISO 8601 time") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _value(where: str, cell: str) -> Value:
    try:
        return float(cell)
    except ValueError:
        return Fault(f"{where}: {cell!r} is not a number" if cell.strip() else f"{where}: the cell is empty")
