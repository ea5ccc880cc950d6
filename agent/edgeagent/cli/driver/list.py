"""`edgeagent driver list`: which drivers there are, and from which packages."""

from __future__ import annotations

from edgeagent.cli.options import Json
from edgeagent_sdk.cli import show
from edgeagent_sdk.errors import PluginError


def list_(json: Json = False) -> None:
    """Show every driver that is installed, ours and others', and the package that it comes with."""
    from edgeagent_sdk.plugins import DRIVERS, installed, load

    rows = []
    for name, entry in installed(DRIVERS).items():
        package = f"{entry.dist.name} {entry.dist.version}" if entry.dist else ""
        try:
            reads, missing = load(DRIVERS, name).summary, ""
        except PluginError as error:
            reads, missing = "", str(error)
        rows.append({"driver": name, "reads": reads, "package": package, "missing": missing})
    columns = ["driver", "reads", "package"] + ["missing"] * any(row["missing"] for row in rows)
    show(rows, columns, as_json=json)
