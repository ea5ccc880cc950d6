"""One feed of requests to a group of servers: how busy each is, second by second.

Arrivals and token counts are those of the trace (an hour of a production service). A request waits for the
prefill server that is free first, which works its prompt off at a constant rate; then it takes a place on the
decode server with the fewest, for as many steps as it generates tokens.
"""

from __future__ import annotations

import csv
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from edgeagent_central.optimize.power.tree import Array
from edgeagent_sdk.errors import EdgeError

FILE: Final = "llm_requests/azure_conv_2023-11-16.csv"

#: Servers that one feed is for, and what they do. Estimates for a model of 13 billion parameters on four
#: V100.
PREFILL_SERVERS: Final = 4
DECODE_SERVERS: Final = 8
_PREFILL_TOKENS_PER_S: Final = 3000.0
_DECODE_STEP_S: Final = 0.05
_DECODE_PLACES: Final = 12


class Request(NamedTuple):
    """When it arrived, and how long its prompt and its answer are."""

    arrival_s: float
    context_tokens: int
    generated_tokens: int


def read_requests(data: Path) -> list[Request]:
    """The trace below `data`.

    Raises:
        EdgeError: it is not there, or not of that shape.
    """
    path = data / FILE
    try:
        with path.open(newline="") as file:
            rows = [
                (datetime.fromisoformat(row["TIMESTAMP"][:26]), row["ContextTokens"], row["GeneratedTokens"])
                for row in csv.DictReader(file)
            ]
            begin = rows[0][0]
            return [
                Request((at - begin).total_seconds(), int(context), int(generated))
                for at, context, generated in rows
            ]
    except OSError as error:
        raise EdgeError(f"{path}: {(error.strerror or str(error)).lower()}; give --data the folder") from None
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise EdgeError(f"{path}: not the request trace: {error!r}") from None


class Feed(NamedTuple):
    """Shares of what each server can do, over the seconds of the trace.

    Attributes:
        prefill: shape (seconds, 4), share of the second in which each prefill server worked.
        decode: shape (seconds, 8), taken places of each decode server, as a share.
    """

    prefill: Array
    decode: Array


def feed(requests: list[Request]) -> Feed:
    """How busy the servers of one group are."""
    seconds = int(requests[-1].arrival_s) + 1
    free_s = np.zeros(PREFILL_SERVERS)
    prefill = np.zeros((seconds + 1, PREFILL_SERVERS))
    ends: list[list[float]] = [[] for _ in range(DECODE_SERVERS)]
    decode = np.zeros((seconds + 1, DECODE_SERVERS))
    for request in requests:
        server = int(np.argmin(free_s))
        begin_s = max(request.arrival_s, free_s[server])
        free_s[server] = begin_s + request.context_tokens / _PREFILL_TOKENS_PER_S
        _spread(prefill[:, server], begin_s, free_s[server])
        for places in ends:
            places[:] = [end_s for end_s in places if end_s > free_s[server]]
        chosen = min(range(DECODE_SERVERS), key=lambda place: len(ends[place]))
        end_s = free_s[server] + request.generated_tokens * _DECODE_STEP_S
        ends[chosen].append(end_s)
        _spread(decode[:, chosen], free_s[server], end_s)
    return Feed(np.minimum(prefill[:seconds], 1.0), np.minimum(decode[:seconds] / _DECODE_PLACES, 1.0))


def _spread(second: Array, begin_s: float, end_s: float) -> None:
    """Add the time from begin to end to the seconds in which it lies."""
    first, last = int(begin_s), min(int(end_s), len(second) - 1)
    if first >= len(second):
        return
    if first == last:
        second[first] += min(end_s, first + 1) - begin_s
        return
    second[first] += first + 1 - begin_s
    second[first + 1 : last] += 1.0
    second[last] += min(end_s - last, 1.0)
