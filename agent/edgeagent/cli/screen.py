"""The live view of a fleet: a screen on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from edgeagent.cli.feed import Feed, FeedError, Latest, Node
from edgeagent_sdk.cli import table
from edgeagent_sdk.quantities import QUANTITIES

_REFRESH_S = 1.0
_LINES_S = 5.0

#: An arrow is three characters that come at once; Escape alone is one.
_SEQUENCE_S = 0.05

#: More nodes than these are summed up in one line.
_LINES_MAX = 10

_NOBODY = "No node has been heard of yet."

COLUMNS = ("node", "status", "age", "readings_per_s", "stored", "outbox", "gaps", "clock")
_VALUES = ("device", "channel", "quantity", "value", "unit", "age")

#: In the order of the table of quantities, where power and heat stand first.
_RANK = {name: i for i, name in enumerate(QUANTITIES)}

_KEYS = {"q": "quit", "\x03": "quit", "\x1b[B": "next", "j": "next", "\x1b[A": "previous", "k": "previous"}

Check = Callable[[], None]


def node_row(node: Node) -> Mapping[str, Any]:
    """A node in the table."""
    return {
        "node": node.name,
        "status": node.status,
        "age": seconds(node.age_s),
        "readings_per_s": round(node.rate_per_s, 1),
        "stored": node.readings,
        "outbox": None if node.outbox is None else int(node.outbox),
        "gaps": node.gaps,
        "clock": node.clock or None,
    }


def seconds(age_s: float | None) -> str | None:
    """An age for people."""
    if age_s is None:
        return None
    for size_s, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if age_s >= 2 * size_s:
            return f"{age_s / size_s:.0f} {unit}"
    return f"{age_s:.1f} s"


def line(node: Node) -> str:
    """A node in one line of a log."""
    outbox = "" if node.outbox is None else f", outbox {node.outbox:.0f}"
    age = f", the newest {seconds(node.age_s)} old" if node.age_s is not None else ""
    gaps = f", {node.gaps} gaps" if node.gaps else ""
    return (
        f"{node.name} {node.status}: {node.readings:,} readings stored{age}, "
        f"{node.rate_per_s:.1f}/s{outbox}{gaps}"
    )


def total(nodes: Sequence[Node]) -> str:
    """The fleet in one line."""
    online = sum(node.status == "online" for node in nodes)
    gaps = sum(node.gaps for node in nodes)
    return (
        f"{len(nodes):,} nodes, {online:,} online, {sum(node.rate_per_s for node in nodes):,.1f} readings/s, "
        f"{sum(node.readings for node in nodes):,} stored, {gaps:,} gaps"
    )


def follow(feed: Feed, *, title: str, check: Check = lambda: None, for_s: float | None = None) -> None:
    """Show the fleet until q, Ctrl-C or the end of `for_s`.

    Args:
        check: called about once a second; what it raises ends the view.
    """
    until_s = time.monotonic() + for_s if for_s else float("inf")
    terminal = sys.stdout.isatty() and sys.stdin.isatty()
    try:
        if terminal:
            Screen(feed, title).run(check, until_s)
        else:
            _print_lines(feed, check, until_s)
    except KeyboardInterrupt:
        return


def _print_lines(feed: Feed, check: Check, until_s: float) -> None:
    while time.monotonic() < until_s:
        stamp = time.strftime("%H:%M:%S")
        for text in _texts(feed):
            print(stamp, text, flush=True)
        pause_until_s = min(time.monotonic() + _LINES_S, until_s)
        while (rest_s := pause_until_s - time.monotonic()) > 0:
            check()
            time.sleep(min(_REFRESH_S, rest_s))


def _texts(feed: Feed) -> list[str]:
    try:
        nodes = feed.nodes()
        if len(nodes) > _LINES_MAX:
            return [total(nodes)]
        return [line(feed.detail(node)) for node in nodes] or [_NOBODY]
    except FeedError as error:
        return [str(error)]


class Screen:
    """The fleet on a terminal: the nodes that there is room for, and the values of the chosen one."""

    def __init__(self, feed: Feed, title: str) -> None:
        self._feed, self._title = feed, title
        self._nodes: list[Node] = []
        self._shown: list[Node] = []
        self._chosen = ""
        self._trouble = ""

    def run(self, check: Check, until_s: float) -> None:
        """Draw until q is pressed."""
        from rich.console import Console
        from rich.live import Live

        console = Console(highlight=False)
        with _keys(), Live(console=console, screen=True, auto_refresh=False) as live:
            key = ""
            while key != "quit" and time.monotonic() < until_s:
                check()
                if key:
                    self.move({"next": 1, "previous": -1}[key])
                self.fetch(max(1, console.height // 2 - 6))
                live.update(self.picture(console.height), refresh=True)
                key = _key(_REFRESH_S)

    def move(self, by: int) -> None:
        """Choose another node, `by` rows down."""
        names = [node.name for node in self._nodes]
        at = names.index(self._chosen) if self._chosen in names else 0
        if names:
            self._chosen = names[max(0, min(at + by, len(names) - 1))]

    def fetch(self, room: int) -> None:
        """Ask for the nodes around the chosen one, as many as there is `room` for, 1 or more."""
        try:
            self._nodes = self._feed.nodes()
            names = [node.name for node in self._nodes]
            at = names.index(self._chosen) if self._chosen in names else 0
            first = max(0, min(at - room // 2, len(names) - room))
            self._shown = [self._feed.detail(node) for node in self._nodes[first : first + room]]
            self._chosen = names[at] if names else ""
            self._trouble = ""
        except FeedError as error:
            self._trouble = str(error)

    def picture(self, height: int) -> Any:
        """What a terminal of so many lines shows, as something that rich prints."""
        from rich.console import Group
        from rich.text import Text

        parts: list[Any] = [Text(self._title, style="bold", no_wrap=True, overflow="ellipsis")]
        if self._trouble:
            parts.append(Text(self._trouble, style="bold red", no_wrap=True))
        parts.append(self._fleet() if self._nodes else Text(f"\n{_NOBODY}\n"))
        if len(self._nodes) > len(self._shown):
            parts.append(Text(total(self._nodes), style="dim"))
        room = height - len(parts) - len(self._shown) - 9
        for node in self._shown:
            if node.name == self._chosen and room > 1:
                parts += _values(node, room)
        parts.append(Text("q ends" + "  ↑ ↓ choose a node" * (len(self._nodes) > 1), style="dim"))
        return Group(*parts)

    def _fleet(self) -> Any:
        fleet = table([node_row(node) for node in self._shown], COLUMNS)
        for row, node in zip(fleet.rows, self._shown, strict=True):
            chosen = node.name == self._chosen and len(self._nodes) > 1
            row.style = f"{_style(node)} reverse" if chosen else _style(node)
        return fleet


def _values(node: Node, room: int) -> Iterator[Any]:
    from rich.text import Text

    rows = sorted(node.latest, key=_order)
    yield table([_value_row(row) for row in rows[:room]], _VALUES)
    if len(rows) > room:
        yield Text(f"and {len(rows) - room} more channels of {node.name}", style="dim")


def _order(row: Latest) -> tuple[bool, int, str, str]:
    return row.device == "agent", _RANK.get(row.quantity, len(_RANK)), row.device, row.channel


def _value_row(row: Latest) -> Mapping[str, Any]:
    return {
        "device": row.device,
        "channel": row.channel,
        "quantity": row.quantity,
        "value": row.value,
        "unit": row.unit,
        "age": seconds(row.age_s),
    }


def _style(node: Node) -> str:
    if node.status != "online":
        return "red"
    return "yellow" if node.gaps or (node.age_s or 0.0) > 10 else ""


@contextmanager
def _keys() -> Iterator[None]:
    """Keys come one by one and unseen, Ctrl-C among them: `make up` then ends as calmly as by q."""
    import termios
    import tty

    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    unseen = termios.tcgetattr(sys.stdin)
    unseen[6][termios.VINTR] = b"\0"
    termios.tcsetattr(sys.stdin, termios.TCSANOW, unseen)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _key(wait_s: float) -> str:
    """What a key pressed within `wait_s` means; empty if none was, or if it means nothing."""
    if not _pressed(wait_s):
        return ""
    key = os.read(sys.stdin.fileno(), 1)
    if key == b"\x1b" and _pressed(_SEQUENCE_S):
        key += os.read(sys.stdin.fileno(), 2)
    return _KEYS.get(key.decode("ascii", "replace"), "" if key else "quit")


def _pressed(wait_s: float) -> bool:
    return bool(select.select([sys.stdin], [], [], wait_s)[0])
