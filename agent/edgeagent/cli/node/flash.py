"""`edgeagent node flash`: a new image for a node, which keeps the old one until the new one is proven."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeagent.cli.node import session
from edgeagent.cli.options import Json
from edgeagent_sdk.cli import show
from edgeagent_sdk.errors import DriverError, EdgeError

if TYPE_CHECKING:
    from edgeagent.drivers.node.imagefile import Image, Version

#: The node's boot loader is there after a fraction of a second; on the line of a slow adapter, later.
_BOOT_S = 10.0


def flash(
    image: Annotated[Path, typer.Argument(help="The signed image.", show_default=False)],
    port: session.PortName = "",
    baud: session.Baud = 115_200,
    slave_id: session.SlaveId = 1,
    json: Json = False,
) -> None:
    """Send a node a new image, and wait until it has shown that it works.

    The node takes it only if it is signed by the key that its boot loader knows. The old image stays: it
    is back at once if the new one hangs, and after a reset if it does not report itself healthy.
    Interrupted half-way, the node goes on with the old image after ten seconds. Meanwhile all leases end,
    the relays stay in their safe states, nothing is measured and the node's guard does not act.
    """
    from edgeagent.drivers.node.bootloader import require_smpclient, send
    from edgeagent.drivers.node.imagefile import load_image
    from edgeagent.drivers.node.update import follow
    from edgeagent.modbus.adapters import find_port

    require_smpclient()
    new = load_image(image)
    chosen = session.options(port, baud, slave_id).port
    before = _enter_boot(chosen, baud, slave_id, new)
    with _progress(len(new.data), json) as sent:
        send(find_port(chosen), baud, new, sent)
    if not json:
        print(f"version {new.version_text} is on trial", flush=True)
    follow(lambda: session.connect(chosen, baud, slave_id), new, before)
    rows = [{"version": new.version_text, "bytes": len(new.data), "state": "confirmed"}]
    show(rows, ["version", "bytes", "state"], as_json=json)


def _enter_boot(port: str, baud: int, slave_id: int, image: Image) -> Version | None:
    """Have the node wait in its boot loader; which version ran, if none did it waits there already."""
    from edgeagent.drivers.node.bootloader import waits
    from edgeagent.drivers.node.update import enter_boot
    from edgeagent.modbus.adapters import find_port

    try:
        with session.connect(port, baud, slave_id) as node:
            before = enter_boot(node, image)
    except DriverError:
        if not waits(find_port(port), baud, 0.0):
            raise
        return None
    if not waits(find_port(port), baud, _BOOT_S):
        raise EdgeError(f"{port}: the node went into its boot loader, but does not answer there")
    return before


@contextmanager
def _progress(total: int, silent: bool) -> Iterator[Callable[[int], None]]:
    """A bar on the terminal; gives what is to be told how many bytes are done."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=silent or not console.is_terminal) as bar:
        task = bar.add_task("sending", total=total)
        yield lambda done: bar.update(task, completed=done)
