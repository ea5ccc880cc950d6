"""Drivers, stores and commands are found by name in entry-point groups; any package may add to them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from edgeagent_sdk.errors import PluginError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

DRIVERS = "edgeagent.drivers"
STORES = "edgeagent.stores"
COMMANDS = "edgeagent.commands"


@cache
def installed(group: str) -> dict[str, EntryPoint]:
    """Name → entry point of everything in `group`, sorted by name. Nothing is imported."""
    from importlib.metadata import entry_points  # takes longer than all the rest of this module

    return {entry.name: entry for entry in sorted(entry_points(group=group), key=lambda e: e.name)}


def nearest(word: str, known: list[str]) -> str:
    """A hint after an unknown word: the nearest right one, or the list of them."""
    import difflib

    close = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known) or 'none'}"


def load(group: str, name: str) -> Any:
    """The object behind an entry point.

    Raises:
        PluginError: not installed (with the nearest right name), or it does not import.
    """
    known = installed(group)
    kind = group.rsplit(".", 1)[-1].rstrip("s")
    if name not in known:
        raise PluginError(f"unknown {kind} {name!r}; {nearest(name, list(known))}")
    try:
        return known[name].load()
    except ImportError as error:
        raise PluginError(
            f"{kind} {name!r} needs a package that is missing: {error}; {remedy(known[name])}"
        ) from None


def remedy(entry: EntryPoint) -> str:
    """What to install when a plugin lacks a package."""
    top = entry.module.split(".")[0]
    extra = top.removeprefix("edgeagent_")
    if top == extra or entry.dist is None:
        return f"install what {top!r} needs"
    return f"pip install '{entry.dist.name}[{extra}]'"
