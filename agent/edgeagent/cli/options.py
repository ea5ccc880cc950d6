"""What several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgeagent_sdk.errors import EdgeError

#: Where the configuration is looked for, after --config and EDGEAGENT_CONFIG.
_SEARCH = (Path("agent.toml"), Path("/etc/edgeagent/agent.toml"))

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        envvar="EDGEAGENT_CONFIG",
        help="The configuration.",
        show_default="./agent.toml, then /etc/edgeagent/agent.toml",
    ),
]

Root = Annotated[
    Path, typer.Option(help="Where the machine's /proc and /sys are, e.g. /host in a container.")
]

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def configured(given: Path | None) -> bool:
    """Whether there is a configuration to use."""
    return given is not None or any(path.exists() for path in _SEARCH)


def find_config(given: Path | None) -> Path:
    """The configuration to use.

    Raises:
        EdgeError: none was named, and there is none where it is looked for.
    """
    if given:
        return given
    for path in _SEARCH:
        if path.exists():
            return path
    places = " and no ".join(str(path) for path in _SEARCH)
    raise EdgeError(
        f"no configuration: there is no {places}; name one by --config, or write one by `edgeagent init`"
    )
