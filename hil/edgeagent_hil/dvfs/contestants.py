"""Who takes part: governors by name. What a name stands for is imported when it is asked for.

A contestant is ``(board, scenario) -> Governor``. Those that are installed see ``board.machine`` only; the
kernel's power allocator is told the board's energy model as well, and the clairvoyant knows plant and future.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from edgeagent_hil.dvfs.boards import Board
from edgeagent_hil.dvfs.scenario import Scenario
from edgeagent_sdk.errors import EdgeError
from edgeagent_sdk.governor import GROUP, Governor
from edgeagent_sdk.plugins import installed, load, nearest

Contestant = Callable[[Board, Scenario], Governor]

#: Those that know plant and future: ``module:object``, each ``(Board, Scenario) -> Governor``.
CLAIRVOYANT = "clairvoyant"
ALL_KNOWING: dict[str, str] = {CLAIRVOYANT: "edgeagent_hil.dvfs.clairvoyant:Clairvoyant"}

#: What people use today, likewise.
_MAKERS = "edgeagent_hil.dvfs.baselines.makers"
BASELINES: dict[str, str] = {
    "performance": f"{_MAKERS}:performance",
    "powersave": f"{_MAKERS}:powersave",
    "ondemand": f"{_MAKERS}:ondemand",
    "conservative": f"{_MAKERS}:conservative",
    "schedutil": f"{_MAKERS}:schedutil",
    "schedutil+ipa": f"{_MAKERS}:power_allocator",
}


def names() -> list[str]:
    """Everybody: the clairvoyant, the baselines, the installed governors."""
    return [*ALL_KNOWING, *BASELINES, *installed(GROUP)]


def contestant(name: str) -> Contestant:
    """The contestant of that name, or ``package.module:object`` as an entry point would name it.

    Raises:
        EdgeError: there is none.
    """
    if path := ALL_KNOWING.get(name) or BASELINES.get(name):
        of_the_rig: Contestant = _object(path)
        return of_the_rig
    make = _object(name) if ":" in name else _installed(name)
    return lambda board, _scenario: make(board.machine)


def _installed(name: str) -> Any:
    if name not in installed(GROUP):
        raise EdgeError(f"unknown governor {name!r}; {nearest(name, names())}")
    return load(GROUP, name)


def _object(path: str) -> Any:
    module, _, attribute = path.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise EdgeError(f"governor {path!r}: {error}") from None
