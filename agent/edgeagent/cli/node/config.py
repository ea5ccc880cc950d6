"""`edgeagent node config`: the node's settings, shown and set."""

from __future__ import annotations

from typing import Annotated

import typer

from edgeagent.cli.node import session
from edgeagent.cli.options import Json
from edgeagent_sdk.cli import show
from edgeagent_sdk.errors import EdgeError
from edgeagent_sdk.plugins import nearest


def config(
    changes: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME=VALUE]...", help="Settings to change.", show_default="none"),
    ] = None,
    port: session.PortName = "",
    baud: session.Baud = 115_200,
    slave_id: session.SlaveId = 1,
    json: Json = False,
) -> None:
    """Show the node's settings, or change some: `edgeagent node config safe_relay1=0 guard_temperature=80`.

    They are kept over resets. A setting is read back after it was written.
    """
    from edgeagent.cli.node.settings import write_settings
    from edgeagent_sdk.nodemap import CONFIG

    wanted = dict(_change(change) for change in changes or [])
    with session.connect(port, baud, slave_id) as node:
        if wanted:
            write_settings(node, CONFIG, wanted)
        now = node.read(CONFIG)
    rows = [
        {
            "setting": field.name,
            "value": now[field.name],
            "default": field.default,
            "minimum": field.minimum,
            "maximum": field.maximum,
            "meaning": field.meaning,
        }
        for field in CONFIG.fields
    ]
    show(rows, ["setting", "value", "default", "minimum", "maximum", "meaning"], as_json=json)


def _change(text: str) -> tuple[str, int]:
    from edgeagent_sdk.nodemap import CONFIG

    name, _, value = text.partition("=")
    if name not in CONFIG.offsets:
        raise EdgeError(f"no setting {name!r}; {nearest(name, list(CONFIG.offsets))}")
    field = CONFIG.field(name)
    try:
        number = int(value, 0)
    except ValueError:
        raise EdgeError(f"{text}: write {name}=<whole number>") from None
    if not field.minimum <= number <= field.maximum:
        raise EdgeError(f"{name}: {number} is outside {field.minimum} to {field.maximum}")
    return name, number
