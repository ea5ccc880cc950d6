"""Names of many servers in one: ``n[001-032]``."""

from __future__ import annotations

import re
from collections.abc import Iterator

_RANGE = re.compile(r"\[(\d+)-(\d+)\]")
_MOST = 200_000


def expanded(pattern: str) -> Iterator[str]:
    """All names that `pattern` stands for; leading zeros are kept.

    Raises:
        ValueError: the range is empty or far too long.
    """
    found = _RANGE.search(pattern)
    if not found:
        yield pattern
        return
    first, last = found.groups()
    if not 0 <= int(last) - int(first) < _MOST:
        raise ValueError(f"[{first}-{last}] must go up, and stand for at most {_MOST:,} servers")
    for number in range(int(first), int(last) + 1):
        filled = f"{number:0{len(first)}d}"
        yield from expanded(f"{pattern[: found.start()]}{filled}{pattern[found.end() :]}")
