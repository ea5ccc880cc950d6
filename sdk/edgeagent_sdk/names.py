"""Names: the one alphabet of sites, nodes, devices and channels."""

from __future__ import annotations

import re
from typing import NamedTuple

from edgeagent_sdk.errors import NameInvalid

NAME_PATTERN = r"[a-z0-9][a-z0-9_.-]{0,62}"
_NAME = re.compile(NAME_PATTERN)
_ILLEGAL = re.compile(r"[^a-z0-9_.-]+")


class Identity(NamedTuple):
    """Who a node is: its site and its own name."""

    site: str
    node: str

    def __str__(self) -> str:
        return f"{self.site}/{self.node}"


def check_name(name: str, what: str = "name") -> str:
    """Return `name` if the wire can carry it.

    Raises:
        NameInvalid: it does not match ``[a-z0-9][a-z0-9_.-]{0,62}``; the text proposes one that does.
    """
    if _NAME.fullmatch(name):
        return name
    raise NameInvalid(
        f"{what} {name!r}: a name has 1 to 63 characters out of a-z 0-9 _ . - and starts with "
        f"a letter or a digit; {slug(name)!r} would do"
    )


def slug(text: str, default: str = "unnamed") -> str:
    """The nearest legal name to any text, e.g. ``"Fan #1 (CPU)"`` → ``"fan-1-cpu"``."""
    name = _ILLEGAL.sub("-", text.strip().lower()).strip("-_.")[:63].rstrip("-_.")
    return name or default


def unique(names: list[str]) -> list[str]:
    """Tell equal names apart by a counter: ``[a, a, b]`` → ``[a, a-2, b]``. Order is kept."""
    taken: set[str] = set()
    result = []
    for name in names:
        candidate, count = name, 1
        while candidate in taken:
            count += 1
            suffix = f"-{count}"
            candidate = name[: 63 - len(suffix)] + suffix
        taken.add(candidate)
        result.append(candidate)
    return result
