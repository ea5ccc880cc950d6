"""How a stretch of readings gets smaller without becoming something that was never measured."""

from __future__ import annotations

from collections.abc import Iterable

from edgeagent_sdk.lineproto import keep_last

#: So many batches become one in a step of thinning.
STEP = 10

#: So many steps before the oldest data is dropped: 1:10, then 1:100.
LEVELS = 2


def merge_lines(parts: Iterable[str]) -> str:
    """The last reading of each series in `parts`, oldest first.

    A real reading stays, not an average; the last one of a counter still counts everything.
    """
    lines = "".join(parts).splitlines(keepends=True)
    return "".join(keep_last(lines))
